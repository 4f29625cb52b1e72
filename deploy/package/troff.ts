/** Manual pages in the man(7) macros, which groff and mandoc both read. Text is escaped here and nowhere else. */

export interface PageHead {
  readonly name: string;
  readonly section: 1 | 5 | 8;
  readonly summary: string;
  readonly version: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly manual: string;
}

/** Plain text; `code` between backquotes is bold. A hyphen is printed as such, so that it can be copied and searched. */
export function text(plain: string): string {
  return plain
    .split('`')
    .map((part, i) => (i % 2 === 1 ? bold(part) : escaped(part)))
    .join('');
}

export function bold(plain: string): string {
  return `\\fB${escaped(plain)}\\fR`;
}

export function italic(plain: string): string {
  return `\\fI${escaped(plain)}\\fR`;
}

function escaped(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga');
}

/** A page, line by line. */
export class Page {
  readonly #lines: string[];

  constructor({ name, section, summary, version, date, manual }: PageHead) {
    this.#lines = [
      `.TH ${name.toUpperCase()} ${section} "${date}" "shoal ${version}" "${manual}"`,
      // Neither hyphenated nor justified: both tear options and addresses apart.
      '.nh',
      '.ad l',
    ];
    this.heading('Name');
    this.#lines.push(`${escaped(name)} \\- ${text(summary)}`);
  }

  heading(title: string): this {
    this.#lines.push(`.SH "${title.toUpperCase()}"`);
    return this;
  }

  subheading(title: string): this {
    this.#lines.push(`.SS "${title}"`);
    return this;
  }

  /** Paragraphs of plain text. */
  paragraphs(...plain: readonly string[]): this {
    for (const each of plain) this.#lines.push('.PP', guarded(text(each)));
    return this;
  }

  /** A term (already troff) and what it means, in plain paragraphs. */
  item(term: string, ...plain: readonly string[]): this {
    const [first = '', ...more] = plain;
    this.#lines.push('.TP', guarded(term), guarded(text(first)));
    for (const each of more) this.#lines.push('.IP', guarded(text(each)));
    return this;
  }

  /** Lines as they are, in a block. */
  block(...lines: readonly string[]): this {
    this.#lines.push('.PP', '.RS 4', '.nf', ...lines.map((line) => guarded(escaped(line))), '.fi', '.RE');
    return this;
  }

  synopsis(...lines: readonly string[]): this {
    this.heading('Synopsis');
    lines.forEach((line, i) => {
      if (i > 0) this.#lines.push('.br');
      this.#lines.push(guarded(line));
    });
    return this;
  }

  /** The last section: `shoal(1)` and the like. */
  seeAlso(...pages: readonly string[]): this {
    this.heading('See also');
    const refs = pages.map((page) => {
      const [, name = page, section = ''] = /^(.*)(\(\d\))$/.exec(page) ?? [];
      return `${bold(name)}${section}`;
    });
    this.#lines.push(refs.join(', '));
    return this;
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

/** A line that begins with a dot or quote would be a request. */
function guarded(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}
