/** Blanks, comments, opening brackets and empty statements. */
const skipped = /^(?:[\s(;]+|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/;

/** A statement's first words in upper case, comments and opening brackets skipped: for refusing early and clearly what the
 * engine itself is asked about afterwards. Never the only judge of whether a statement writes. */
export function leadingWords(sql: string, count: number): string[] {
  const words: string[] = [];
  let rest = sql;
  while (words.length < count) {
    rest = rest.replace(skipped, '');
    const word = /^[A-Za-z_]+/.exec(rest)?.[0];
    if (word === undefined) break;
    words.push(word.toUpperCase());
    rest = rest.slice(word.length);
  }
  return words;
}

/** Whether there is nothing to run in a text but comments. */
export function isBlankSql(sql: string): boolean {
  return sql.replace(skipped, '') === '';
}
