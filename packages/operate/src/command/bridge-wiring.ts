import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** A place that a finished migration no longer needs. */
export interface Wiring {
  /** Below the folder that was looked through. */
  readonly file: string;
  readonly line: number;
  /** What stands there. */
  readonly remove: string;
  /** What takes its place; the empty text where nothing does. */
  readonly write: string;
  /** What else there is to know; undefined where nothing is. */
  readonly note: string | undefined;
  /** The bridge's name; undefined where it isn't written there. */
  readonly bridge: string | undefined;
}

/** What was found in a folder. */
export interface FoundWiring {
  readonly wiring: readonly Wiring[];
  /** Places where the codemod or a person left something to do: the pooled leg may be none yet. */
  readonly todos: readonly Pick<Wiring, 'file' | 'line'>[];
}

const passed = new Set(['node_modules', 'dist', 'build', 'coverage', 'out', '.git', '.next']);
const source = /\.[cm]?[jt]sx?$/;
const imports =
  /^[\t ]*(?:import\s+(?:type\s+)?([^'"`;()=]*?)\s*from\s*(['"])(changeover(?:\/[\w-]+)?)\2|(?:const|let|var)\s+(\{[^}]*\}|\w+)\s*=\s*require\((['"])(changeover(?:\/[\w-]+)?)\5\))[\t ]*;?[\t ]*(?:\r?\n|$)/gm;
const makers =
  /\b(?:new\s+)?(createBridge|createStorageBridge|bridge[A-Z]\w*|Bridge[A-Z]\w*)\s*(?:<[^(){}]*>)?\(/g;

/** Words of a declaration. Outside of one they are as likely to be a program's own methods. */
const kinds = new Set(['read', 'write', 'transaction', 'control', 'bySql', 'legacyOnly', 'sub']);

/** Looks through a folder's sources for what wires bridges in. Reads, and writes nothing. */
export function findWiring(folder: string): FoundWiring {
  const found = sourcesBelow(folder).map((path) =>
    wiringIn(relative(folder, path).split(sep).join('/'), readFileSync(path, 'utf8')),
  );
  return {
    wiring: found.flatMap(({ wiring }) => wiring),
    todos: found.flatMap(({ todos }) => todos),
  };
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return passed.has(entry.name) ? [] : sourcesBelow(path);
    return source.test(entry.name) && !entry.name.endsWith('.d.ts') ? [path] : [];
  });
}

/** What one file has of it: nothing where it does not import `changeover`. */
export function wiringIn(file: string, text: string): FoundWiring {
  const imported = [...text.matchAll(imports)];
  if (imported.length === 0) return { wiring: [], todos: [] };
  const names = new Set(imported.flatMap((match) => localNames(match[1] ?? match[4] ?? '')));
  const calls = [...text.matchAll(makers)]
    .filter((match) => names.has(match[1] ?? '') && !isInImport(match.index, imported))
    .flatMap((match) => madeBy(file, text, match) ?? []);
  const within = (at: number): boolean => calls.some(({ start, end }) => at >= start && at < end);
  const made = new Set(calls.map(({ maker }) => maker));
  const uses = [...names]
    .filter((name) => !made.has(name) && !kinds.has(name))
    .flatMap((name) =>
      [...text.matchAll(new RegExp(`(?<![.\\w$])${name.replaceAll('$', '\\$')}\\b`, 'g'))]
        .filter((match) => !within(match.index) && !isInImport(match.index, imported))
        .map((match) => lineAt(text, match.index)),
    );
  const lines = [...new Set(uses)];
  return {
    wiring: [
      ...imported.map((match) => entry(file, text, match.index, match[0].trimEnd(), '')),
      ...calls.map(({ wiring }) => wiring),
      ...lines.map((line) => ({
        ...entry(file, text, 0, (text.split('\n')[line - 1] ?? '').trim(), ''),
        line,
        note: 'it asks for the bridge: delete it, or write what it stands for',
      })),
    ].sort((one, other) => one.line - other.line),
    todos: calls.flatMap(({ start, end }) =>
      [...text.slice(start, end).matchAll(/\bTODO\b/g)].map((match) => ({
        file,
        line: lineAt(text, start + match.index),
      })),
    ),
  };
}

function entry(file: string, text: string, at: number, remove: string, write: string): Wiring {
  return { file, line: lineAt(text, at), remove, write, note: undefined, bridge: undefined };
}

function localNames(clause: string): string[] {
  return clause
    .replaceAll(/[{}]|\btype\b/g, ' ')
    .split(',')
    .map(
      (one) =>
        one
          .trim()
          .split(/\s+as\s+|\s*:\s*/)
          .at(-1) ?? '',
    )
    .filter((name) => /^[\w$]+$/.test(name));
}

function isInImport(at: number, imported: readonly RegExpMatchArray[]): boolean {
  return imported.some(({ index = 0, 0: text }) => at >= index && at < index + text.length);
}

interface Made {
  readonly wiring: Wiring;
  readonly maker: string;
  readonly start: number;
  readonly end: number;
}

/** A call that makes a bridge, with the expression that takes its place: its pooled leg, else the handle that it was given. */
function madeBy(file: string, text: string, match: RegExpMatchArray): Made | undefined {
  const start = match.index ?? 0;
  const open = start + match[0].length - 1;
  const args = argumentsFrom(text, open);
  if (args === undefined) return undefined;
  const end = args.end;
  const maker = match[1] ?? '';
  const options = args.parts.at(-1)?.trim() ?? '';
  const legs = optionsOf(options);
  const bridge = /^(['"`])([\w-]+)\1$/.exec(legs.get('name') ?? '')?.[2];
  const { write, note } = replacement(maker, args.parts, legs);
  const wiring = { ...entry(file, text, start, text.slice(start, end), write), note, bridge };
  return { wiring, maker, start, end };
}

function replacement(
  maker: string,
  parts: readonly string[],
  legs: ReadonlyMap<string, string>,
): Pick<Wiring, 'write' | 'note'> {
  const pooled = legs.get('pooled');
  if (pooled !== undefined) {
    const made = resultOf(pooled);
    // A connection is always made asynchronously, whether its leg says so or gives the promise.
    const write =
      maker === 'bridgeConnection' && !made.startsWith('await') ? `await ${made}` : made;
    return { write, note: maker === 'bridgeClient' ? usesOfPool : undefined };
  }
  const handle = parts.length > 1 ? (parts[0] ?? '').trim() : '';
  if (handle === '') return { write: '', note: 'write the pooled leg here' };
  return poolOf(handle) ?? { write: handle, note: undefined };
}

/** What a program does with one connection and not with a pool of them. */
const usesOfPool =
  'A pool opens connections by itself: delete the call of connect(), which would take one out. BEGIN, SET and LISTEN by ' +
  'statements need a connection that is taken out (connect() … release()), and setTypeParser() becomes the option types';

/** A handle that is one connection has a pool beside it in its library, which takes options alone, never a text. */
function poolOf(handle: string): Pick<Wiring, 'write' | 'note'> | undefined {
  const made = /^(new\s+(?:[\w$]+\.)?)Client\s*(?=\()/.exec(handle);
  if (made === null) return undefined;
  const pool = `${made[1] ?? ''}Pool`;
  const note = `import Pool in the place of Client. ${usesOfPool}`;
  const given = argumentsFrom(handle, made[0].length)?.parts[0]?.trim() ?? '{}';
  const fromText = `${pool}({ connectionString: ${given} })`;
  if (/^(?:['"`]|process\.env\b)/.test(given)) return { write: fromText, note };
  const asGiven = pool + handle.slice(made[0].length);
  return given.startsWith('{')
    ? { write: asGiven, note }
    : { write: asGiven, note: `where ${given} is a text, write ${fromText}. Then ${note}` };
}

/** What a leg's function gives: the expression behind an arrow, else a call of the function. An object is in parentheses, and stays so. */
function resultOf(leg: string): string {
  const arrow = /^(?:async\s*)?\(\)\s*(?::[^=]*)?=>\s*([\s\S]*)$/.exec(leg);
  if (arrow === null) return /^(?:async\s+)?function\b/.test(leg) ? `(${leg})()` : leg;
  const body = arrow[1] ?? '';
  if (body.startsWith('{')) return `(${leg})()`;
  return leg.startsWith('async') ? `await ${body}` : body;
}

/** The options' texts by their names, those of the outermost level. */
function optionsOf(options: string): ReadonlyMap<string, string> {
  if (!options.startsWith('{')) return new Map();
  const { parts } = argumentsFrom(options, 0) ?? { parts: [] };
  return new Map(
    parts.flatMap((part): [string, string][] => {
      const bare = part.replace(/^(?:\s|\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)+/, '');
      const named = /^(['"]?)([\w$]+)\1\s*(?::\s*([\s\S]*)|(\([\s\S]*))?$/.exec(bare.trim());
      if (named === null) return [];
      const [, , name = '', value, method] = named;
      return [[name, value ?? (method === undefined ? name : `function ${method}`)]];
    }),
  );
}

/** The parts between brackets that commas part, from the opening bracket on. Texts, comments and inner brackets are stepped over. */
function argumentsFrom(
  text: string,
  open: number,
): { readonly parts: string[]; readonly end: number } | undefined {
  const parts: string[] = [];
  let depth = 0;
  let from = open + 1;
  for (let at = open; at < text.length; at += 1) {
    const next = skipped(text, at);
    if (next > at) {
      at = next - 1;
      continue;
    }
    const letter = text[at] ?? '';
    if ('([{'.includes(letter)) depth += 1;
    else if (')]}'.includes(letter)) depth -= 1;
    if (depth === 0 || (depth === 1 && letter === ',')) {
      const part = text.slice(from, at);
      if (part.trim() !== '') parts.push(part);
      from = at + 1;
    }
    if (depth === 0) return { parts, end: at + 1 };
  }
  return undefined;
}

/** Where a comment or text that begins here ends; where none does, here. */
function skipped(text: string, at: number): number {
  const rest =
    /^(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`)/.exec(
      text.slice(at, at + 5_000),
    );
  return at + (rest?.[0].length ?? 0);
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
