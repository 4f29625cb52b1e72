/** Which nodes said that they leave, and in which of their lives: the others may believe it of that life only. */
export class Farewells {
  /** By node id: believed of incarnations before this one. */
  readonly #lives = new Map<string, { before: number }>();

  /** It is told to end, and says so; its next life is not known yet. */
  said(id: string): void {
    this.#lives.set(id, { before: Infinity });
  }

  /** It runs again: to be given the incarnation that it has by then. */
  back(id: string): (incarnation: number) => void {
    const life = this.#lives.get(id);
    return (incarnation) => {
      if (life?.before === Infinity) life.before = incarnation;
    };
  }

  /** Whether a node with this incarnation may be taken to have left; some hear of it late. */
  isTrue(id: string, incarnation: number): boolean {
    return incarnation < (this.#lives.get(id)?.before ?? 0);
  }
}
