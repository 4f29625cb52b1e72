/**
 * CHANGELOG.md as Debian's changelog: its sections are versions, its list items the changes. The section of the version
 * that is built may still be called unreleased; a version without a section gets an entry that says so.
 */
export function debianChangelog(
  markdown: string,
  version: string,
  maintainer: string,
  epochSeconds: number,
): string {
  const sections = markdown.split(/^## /m).slice(1).map(section);
  const entries = sections.some((each) => each.version === version)
    ? sections
    : [{ version, items: ['Not described in CHANGELOG.md.'] }, ...sections];
  return entries
    .map(({ version: each, items }, i) => {
      // Older versions are a minute older each: their real time is not in CHANGELOG.md, and Debian wants them in order.
      const time = new Date((epochSeconds - 60 * i) * 1000).toUTCString().replace(/ GMT$/, '');
      const trailer = ` -- ${maintainer}  ${time} +0000`;
      const changes = items.map((item) => wrapped(item)).join('\n');
      return `shoal (${each}) unstable; urgency=medium\n\n${changes}\n\n${trailer}\n`;
    })
    .join('\n');
}

function section(body: string): { version: string; items: string[] } {
  const [head = '', ...lines] = body.split('\n');
  const items: string[] = [];
  for (const line of lines) {
    if (line.startsWith('- ')) items.push(line.slice(2));
    else if (items.length > 0 && line.trim() !== '') items.push(`${items.pop()} ${line.trim()}`);
  }
  return { version: head.split(' ')[0] ?? '', items };
}

/** Within 80 columns, as Debian's tools want it. */
function wrapped(item: string): string {
  const lines: string[] = [];
  let line = '  *';
  for (const word of item.split(/\s+/)) {
    if (line.length + 1 + word.length > 79) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}
