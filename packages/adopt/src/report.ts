import type { Adoption } from './adopt.ts';
import type { CallSite } from './call-sites.ts';

const shownSites = 40;

/** An adoption for people to read. */
export function adoptionText(
  { outcome, file, shape, name, operations, properties, todos, notes, callSites, diff }: Adoption,
  dryRun: boolean,
): string {
  if (outcome !== 'adopted') return [`${file}: nothing changes.`, ...notes, ''].join('\n');
  const width = Math.max(0, ...operations.map((one) => one.name.length));
  const lines = [
    `${file}: ${dryRun ? 'would be' : 'is'} bridged as ${name} (${shapes[shape ?? 'handle']}); the flag is changeover.${name}.`,
    ...section(
      'Operations:',
      operations.map((one) => `${one.name.padEnd(width)}  ${one.declared}  ${one.because}`),
    ),
    ...(properties.length === 0 ? [] : ['', `Nothing to declare: ${properties.join(', ')}.`]),
    ...section('To do, marked TODO in the file:', todos),
    ...section(
      `Call sites that stay (${String(callSites.stay.length)}):`,
      sitesText(callSites.stay),
    ),
    ...section(
      `Of these need await before an asynchronous pooled leg answers (${String(callSites.needAwait.length)}):`,
      sitesText(callSites.needAwait),
    ),
    ...notes.flatMap((note) => ['', note]),
    '',
    dryRun
      ? 'Nothing was written.'
      : 'Next: npm install changeover, your tests, then changeover flags example ' + name + '.',
  ];
  return [...(dryRun ? [diff] : []), ...lines, ''].join('\n');
}

const shapes: Readonly<Record<NonNullable<Adoption['shape']>, string>> = {
  handle: 'at each executed statement',
  instance: 'at the methods of its class',
  object: "at the object's methods",
  functions: "at the module's functions",
};

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function sitesText(sites: readonly CallSite[]): string[] {
  const lines = sites
    .slice(0, shownSites)
    .map(({ file, line, text }) => `${file}:${String(line)}  ${text.slice(0, 100)}`);
  const rest = sites.length - lines.length;
  return rest > 0 ? [...lines, `and ${String(rest)} more: --format json lists them all`] : lines;
}
