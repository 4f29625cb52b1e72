export const what = 'x';
export const quick = false;
export async function run(_args: string[]): Promise<boolean> { return true; }
