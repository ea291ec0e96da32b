import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationInstruments } from '@changeover/bridge';
import { runCommand } from '@changeover/operate/command';
import { poolInstruments } from '@changeover/pooled';
import { moreSubcommands } from '../../packages/changeover/src/command/subcommands.ts';
import { root } from '../../test/architecture/source-files.ts';
import { entries, errorClasses, type Exported, exportedNames } from './exported.ts';

const generated = '<!-- Written by npm run reference from the sources: change those. -->';

/** The reference's pages by their file name in docs/reference. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const names = exportedNames();
  const apis = Object.keys(entries).map((from): [string, string] => [
    `${from.replace('/', '-')}.md`,
    apiPage(
      from,
      names.filter((one) => one.from === from),
    ),
  ]);
  const pages: readonly [string, string][] = [
    ...apis,
    ['errors.md', errorsPage(names)],
    ['metrics.md', metricsPage()],
    ['flags-payload.md', payloadPage()],
    ['command.md', await commandPage()],
  ];
  return new Map([['README.md', indexPage(pages)], ...pages]);
}

function page(title: string, text: string): string {
  return `# ${title}\n\n${generated}\n\n${text.trim()}\n`;
}

function indexPage(pages: readonly (readonly [string, string])[]): string {
  const lines = pages.map(([file, text]) => `- [${/^# (.*)$/m.exec(text)?.[1] ?? file}](${file})`);
  return page('Reference', lines.join('\n'));
}

function apiPage(from: string, names: readonly Exported[]): string {
  const list = names.map(({ name }) => `[\`${name}\`](#${name.toLowerCase()})`).join(', ');
  return page(from, `${list}\n\n${names.map(section).join('\n\n')}`);
}

function section({ name, kind, text, tags, declaration, members }: Exported): string {
  const facts = tags
    .filter((tag) => tag.name !== 'example')
    .map((tag) => `- **${tag.name}** ${tag.text.replaceAll('\n', ' ')}`);
  return [
    `## ${name}`,
    `*${kind}* ${text}`,
    ...(facts.length === 0 ? [] : [facts.join('\n')]),
    ...(declaration === '' ? [] : [`\`\`\`typescript\n${declaration}\n\`\`\``]),
    ...(members.length === 0
      ? []
      : [
          table(
            ['member', 'type', ''],
            members.map((one) => [`\`${one.name}\``, `\`${one.type}\``, one.text]),
          ),
        ]),
  ].join('\n\n');
}

function errorsPage(names: readonly Exported[]): string {
  const from = (name: string): string =>
    names.find((one) => one.name === name && one.kind === 'class')?.from ?? '';
  return page(
    'Errors',
    `Each has a stable \`code\`, a \`message\` for people, \`retryable\`, and the \`cause\` where there is one. What a leg throws is
passed on as it is and is none of these. A class that is imported from nowhere is told by its \`code\`; all of the storage API's are
\`StorageError\`s, and all are \`ChangeoverError\`s.

${table(
  ['class', 'code', 'import from', 'when'],
  errorClasses().map(({ name, errorCode, text }) => [
    `\`${name}\``,
    errorCode === undefined ? 'by case' : `\`${errorCode}\``,
    from(name) === '' ? '' : `\`${from(name)}\``,
    text,
  ]),
)}`,
  );
}

function metricsPage(): string {
  const rows = [...Object.values(migrationInstruments), ...Object.values(poolInstruments)].map(
    ({ name, kind, unit, attributes, description }) => [
      `\`${name}\``,
      kind,
      `\`${unit}\``,
      attributes.map((one) => `\`${one}\``).join(', '),
      description,
    ],
  );
  return page(
    'Metrics',
    `By \`PrometheusSink\` the dots are underscores, with the unit and \`_total\` behind. See [monitoring](../monitoring.md).

${table(['name', 'kind', 'unit', 'attributes', 'what it counts'], rows)}`,
  );
}

interface Schema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

function payloadPage(): string {
  const { $defs } = JSON.parse(readFileSync(join(root, 'flags/schema.json'), 'utf8')) as {
    readonly $defs: Readonly<Record<string, unknown>>;
  };
  const rows = fields(payloadSchema($defs['payload']), '');
  return page(
    "The flags' payload",
    `The fields of a variant's \`payload\`, from [flags/schema.json](../../flags/schema.json). [flags](../../flags/README.md) says what
each is for.

${table(['field', 'type', 'range', 'default'], rows)}`,
  );
}

/** The payload itself, wherever the schema has it: it is a text in the document. */
function payloadSchema(found: unknown): Schema {
  const schema = found as Schema & { readonly contentSchema?: Schema };
  return schema.properties?.['value'] === undefined
    ? schema
    : ((schema.properties['value'] as { readonly contentSchema?: Schema }).contentSchema ?? schema);
}

function fields({ properties = {} }: Schema, before: string): string[][] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = `${before}${name}`;
    if (field.type === 'object') return fields(field, `${path}.`);
    const range =
      field.minimum === undefined && field.maximum === undefined
        ? ''
        : `${String(field.minimum ?? '')} to ${String(field.maximum ?? '')}`;
    const type = field.enum === undefined ? (field.type ?? '') : field.enum.join(', ');
    return [
      [
        `\`${path}\``,
        type,
        range,
        field.default === undefined ? '' : JSON.stringify(field.default).replaceAll('"', ''),
      ],
      ...(field.items === undefined ? [] : fields(field.items, `${path}[].`)),
    ];
  });
}

async function commandPage(): Promise<string> {
  const main = await help([]);
  const names = [...main.matchAll(/^ {2}([a-z]+) [^\n]*$/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help');
  const sections: string[] = [];
  for (const name of names) {
    const text = await help([name]);
    sections.push(block(`changeover ${name}`, text));
    const subcommands = /^Commands:\n([^]*?)\n\n/m.exec(text)?.[1] ?? '';
    for (const [, sub = ''] of subcommands.matchAll(/^ {2}([a-z]+) /gm))
      if (sub !== 'help')
        sections.push(block(`changeover ${name} ${sub}`, await help([name, sub])));
  }
  return page(
    'The command',
    `Exit codes: 0 done, 1 error, 2 wrong usage, 3 inconclusive, 99 a gate failed.

\`\`\`text
${main.trim()}
\`\`\`

${sections.join('\n\n')}`,
  );
}

function block(title: string, text: string): string {
  return `## ${title}\n\n\`\`\`text\n${text.trim()}\n\`\`\``;
}

async function help(words: readonly string[]): Promise<string> {
  let text = '';
  const code = await runCommand(
    [...words, '--help'],
    {
      stdout: {
        write: (part) => {
          text += part;
        },
      },
      stderr: { write: () => undefined },
      env: {},
    },
    { version: '', more: moreSubcommands },
  );
  if (code !== 0)
    throw new Error(`changeover ${words.join(' ')} --help ended with ${String(code)}`);
  return text;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
