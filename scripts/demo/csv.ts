/**
 * Parses comma-separated text with quotes (RFC 4180) into rows by the names of its first line.
 *
 * @throws for a line whose number of fields differs from the first one's.
 */
export function parseCsv(text: string): Record<string, string>[] {
  const [header, ...lines] = records(text);
  if (header === undefined) return [];
  return lines.map((fields, at) => {
    if (fields.length !== header.length) {
      throw new Error(
        `line ${at + 2} has ${fields.length} fields, the first line names ${header.length}`,
      );
    }
    return Object.fromEntries(header.map((name, column) => [name, fields[column] ?? '']));
  });
}

function records(text: string): string[][] {
  const all: string[][] = [];
  let fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  while (field.lastIndex < text.length) {
    const at = field.lastIndex;
    const match = field.exec(text);
    if (match === null) throw new Error(`not comma-separated text from character ${at} on`);
    fields.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    if (match[3] !== ',') {
      all.push(fields);
      fields = [];
    }
  }
  return all;
}
