import { Node, type SourceFile } from 'ts-morph';
import type { Edit } from './edits.ts';
import type { TextStyle } from './text-style.ts';

/** Names to be imported from one module. */
export interface ImportedNames {
  readonly module: string;
  readonly names: readonly string[];
}

/** Whether a file takes modules by `require`. */
function isCommonJs(file: SourceFile): boolean {
  if (/\.cjs$/.test(file.getFilePath())) return true;
  const imports = file.getImportDeclarations().length + file.getExportDeclarations().length;
  if (imports > 0 || file.getExportAssignments().length > 0) return false;
  const exported = file
    .getStatements()
    .some((one) => Node.isExportable(one) && one.hasExportKeyword());
  return !exported && /\brequire\(|\bmodule\.exports\b|\bexports\.\w/.test(file.getFullText());
}

/** Imports or requires after the imports that are there, else behind the file's first comment. */
export function importEdit(
  file: SourceFile,
  style: TextStyle,
  imports: readonly ImportedNames[],
): Edit {
  const commonJs = isCommonJs(file);
  const lines = imports.map(({ module, names }) => importLine(commonJs, style, module, names));
  const last = lastImport(file, commonJs);
  if (last !== undefined)
    return insertAt(lineEndAfter(file, last.getEnd()), `\n${lines.join('\n')}`);
  const start = startOfCode(file);
  return insertAt(start, `${lines.join('\n')}\n\n`);
}

function importLine(
  commonJs: boolean,
  { quote: q, semicolon, indent }: TextStyle,
  module: string,
  names: readonly string[],
): string {
  const [before, after] = commonJs
    ? ['const', `= require(${q}${module}${q})${semicolon}`]
    : ['import', `from ${q}${module}${q}${semicolon}`];
  const line = `${before} { ${names.join(', ')} } ${after}`;
  if (line.length <= 100) return line;
  return [`${before} {`, ...names.map((name) => `${indent}${name},`), `} ${after}`].join('\n');
}

function lastImport(file: SourceFile, commonJs: boolean): Node | undefined {
  if (!commonJs) {
    const last = file.getImportDeclarations().at(-1);
    if (last !== undefined) return last;
    return file.getStatements().find((one) => Node.isImportEqualsDeclaration(one));
  }
  return file
    .getStatements()
    .filter((one) => Node.isVariableStatement(one) && /=\s*\(?require\(/.test(one.getText()))
    .at(-1);
}

/** A comment behind an import stays on its line. */
function lineEndAfter(file: SourceFile, position: number): number {
  const text = file.getFullText();
  const rest = /^[\t ;]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/[\t ]*)?(?=\r?\n|$)/.exec(
    text.slice(position),
  );
  return position + (rest?.[0].length ?? 0);
}

/** Behind `#!`, `'use strict'` and a first comment that an empty line ends. */
function startOfCode(file: SourceFile): number {
  const text = file.getFullText();
  const head =
    /^(?:#![^\n]*\n)?(?:\s*\/\*[\s\S]*?\*\/[\t ]*\r?\n\r?\n|(?:[\t ]*\/\/[^\n]*\n)+\r?\n)?/.exec(
      text,
    )?.[0] ?? '';
  const directive =
    /^\s*(['"])use strict\1;?[\t ]*\r?\n(?:[\t ]*\r?\n)*/.exec(text.slice(head.length))?.[0] ?? '';
  return head.length + directive.length;
}

function insertAt(position: number, text: string): Edit {
  return { start: position, end: position, text };
}
