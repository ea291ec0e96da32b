import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../run-node.ts';
import { digits } from './digits.ts';
import { type Figure, figureText } from './figure.ts';
import { machineText } from './machine.ts';
import { countVerdicts, type MeasuredFile, measuredText, readMeasured } from './measured-file.ts';
import type { Verdict } from './verdict.ts';

/** The figures that the documents are made from. */
export const measuredPath: string = join(root, 'docs/benchmarks.json');

/** A document in `docs/` and the template in `scripts/bench/documents/` that it is made from: text with `{{…}}` for all that was measured. */
export const documentNames = ['benchmarks.md', 'adr-validation.md'] as const;

/** One document's name. */
export type DocumentName = (typeof documentNames)[number];

/** Where a document's template is. */
export function templatePath(name: DocumentName): string {
  return join(import.meta.dirname, 'documents', name);
}

/** Writes the figures and all documents. */
export function writeDocuments(file: MeasuredFile): void {
  writeFileSync(measuredPath, measuredText(file));
  // The documents are made from what was written, or a figure rounded twice would be another one when they are made anew.
  const written = readMeasured(measuredPath);
  for (const name of documentNames) {
    writeFileSync(
      join(root, 'docs', name),
      fillTemplate(readFileSync(templatePath(name), 'utf8'), written, name),
    );
  }
}

/**
 * Puts what was measured into a template. Known are:
 *
 * - `{{run}}`: date, commit and machine, with a mark where the run was a quick one
 * - `{{verdicts}}`: how many targets are held, missed, or can't be told
 * - `{{table}}`: all figures with intervals, targets and verdicts
 * - `{{notes CASE}}`: a list of what stands beside a case's figures
 * - `{{beside CASE.KEY}}`: what stands beside one figure
 * - `{{figure CASE.KEY}}`: `0.92 ×`
 * - `{{judged CASE.KEY}}`: the figure with its interval and verdict; `{{judged CASE.START*}}`: all whose key begins so, with their names, a line each
 *
 * @throws {RangeError} for anything else in double braces, and for a figure that the file doesn't have.
 */
export function fillTemplate(template: string, file: MeasuredFile, name: string): string {
  const body = template.replaceAll(/\{\{([^}]*)\}\}/g, (_all, asked: string) => {
    const [what = '', which] = asked.trim().split(' ');
    const text = placeholder(file, what, which);
    if (text === undefined)
      throw new RangeError(
        `${name} asks for {{${asked}}}, which docs/benchmarks.json doesn't have`,
      );
    return text;
  });
  return (
    `<!-- Made by \`npm run bench -- docs\` from docs/benchmarks.json and scripts/bench/documents/${name}: change those. -->\n` +
    body
  );
}

function placeholder(file: MeasuredFile, what: string, which?: string): string | undefined {
  switch (what) {
    case 'run':
      return runText(file);
    case 'verdicts':
      return verdictsText(file);
    case 'table':
      return tableText(file);
    case 'notes':
      return notesText(file, which ?? '');
    case 'figure': {
      const [only, ...others] = find(file, which ?? '');
      return only === undefined || others.length > 0
        ? undefined
        : `${digits(only.figure)} ${only.unit}`;
    }
    case 'beside':
      return find(file, which ?? '')[0]?.beside;
    case 'judged': {
      const found = find(file, which ?? '');
      if (found.length === 0) return undefined;
      return found
        .map((one) => (which?.endsWith('*') === true ? `${one.name} ` : '') + judged(one))
        .join('<br>');
    }
    default:
      return undefined;
  }
}

/** Figures by `case.key`, or by `case.start*`. */
function find(file: MeasuredFile, which: string): readonly Figure[] {
  const [name, key = ''] = which.split('.');
  const figures = file.cases.find((one) => one.name === name)?.figures ?? [];
  return key.endsWith('*')
    ? figures.filter((figure) => figure.key.startsWith(key.slice(0, -1)))
    : figures.filter((figure) => figure.key === key);
}

function runText({ run }: MeasuredFile): string {
  const { date, commit, quick, tookMinutes, machine } = run;
  const text = `${date}, commit ${commit}, ${machineText(machine)}; it took ${digits(tookMinutes)} minutes.`;
  return quick
    ? `${text}\n\n> **A quick run:** few and short rounds, which show that everything works. These are not figures to cite.`
    : text;
}

function verdictsText({ cases }: MeasuredFile): string {
  const counts = countVerdicts(cases.flatMap(({ figures }) => figures));
  return `${counts.held} targets are held, ${counts.missed} missed, and of ${counts["can't tell"]} this run can't tell.`;
}

function tableText({ cases }: MeasuredFile): string {
  const rows = cases.flatMap(({ name, figures }) =>
    figures.map(
      (figure, at) =>
        `| ${at === 0 ? `\`${name}\`` : ''} | ${cell(figure.name)} | ${figureText(figure)} | ${figure.target} | ${mark(figure.verdict)} |`,
    ),
  );
  return [
    '| benchmark | what | figure (interval) | target | verdict |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

function notesText({ cases }: MeasuredFile, name: string): string | undefined {
  return cases
    .find((one) => one.name === name)
    ?.figures.filter(({ beside }) => beside !== undefined)
    .map((figure) => `- ${figure.name}: ${figure.beside ?? ''}`)
    .join('\n');
}

function judged(figure: Figure): string {
  return `${figureText(figure)}: ${mark(figure.verdict)}`;
}

function mark(verdict: Verdict): string {
  return verdict === 'missed' ? '**missed**' : verdict;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
