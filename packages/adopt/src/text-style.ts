/** How a file is written, so that what is added looks like the rest of it. */
export interface TextStyle {
  readonly lineEnd: '\n' | '\r\n';
  readonly quote: "'" | '"';
  readonly semicolon: '' | ';';
  /** One level of indentation. */
  readonly indent: string;
}

/** Tells a file's style by what is commonest in it. Where nothing tells: `\n`, single quotes, semicolons, two spaces. */
export function styleOf(text: string): TextStyle {
  const lines = text.split('\n');
  const carried = lines.filter((line) => line.endsWith('\r')).length;
  const code = lines.map((line) => line.trimEnd());
  // Imports tell best: a text with quotes in it is written with the other ones.
  const specifiers = [...text.matchAll(/(?:\bfrom|\brequire\(|\bimport)\s*(['"])/g)];
  const quotes = specifiers.length > 0 ? specifiers : [...text.matchAll(/(['"])/g)];
  const double = quotes.filter((match) => match[1] === '"').length;
  const ends = code.filter((line) => /^(import|const|let|export)\b.*[\w'")\]}]$/.test(line)).length;
  const semicolons = code.filter((line) => line.endsWith(';')).length;
  return {
    lineEnd: carried * 2 > lines.length ? '\r\n' : '\n',
    quote: double * 2 > quotes.length ? '"' : "'",
    semicolon: ends > semicolons ? '' : ';',
    indent: indentOf(code),
  };
}

function indentOf(lines: readonly string[]): string {
  const counts = new Map<string, number>();
  let last = '';
  for (const line of lines) {
    if (line.trim() === '' || /^\s*\*/.test(line)) continue;
    const lead = /^[\t ]*/.exec(line)?.[0] ?? '';
    const step = lead.startsWith(last) ? lead.slice(last.length) : '';
    if (step === '\t' || /^ {2,8}$/.test(step)) counts.set(step, (counts.get(step) ?? 0) + 1);
    last = lead;
  }
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0] ?? '  ';
}
