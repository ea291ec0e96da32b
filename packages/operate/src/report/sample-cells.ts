import type { SampledCall, SampleGroup, StoredSample } from '@changeover/bridge';

/** One place where the two legs differ. */
export interface SampleCell {
  /** The first is 1, as people and `changeover verify` count. */
  readonly row: string;
  /** Undefined where whole rows differ. */
  readonly column: string | undefined;
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** Two parallel lists of `{row, column, value}` as one; undefined for anything else. */
export function pairCells(legacy: unknown, pooled: unknown): readonly SampleCell[] | undefined {
  const [before, after] = [cellsOf(legacy), cellsOf(pooled)];
  if (before === undefined || after === undefined || before.length !== after.length)
    return undefined;
  return before.map((cell, at) => {
    const { row, column, value } = cell;
    return {
      row: String(row + 1),
      column: typeof column === 'string' ? column : undefined,
      legacy: value,
      pooled: after[at]?.value,
    };
  });
}

interface RawCell {
  readonly row: number;
  readonly column?: unknown;
  readonly value?: unknown;
}

function cellsOf(value: unknown): readonly RawCell[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every(
    (one): one is RawCell =>
      typeof one === 'object' &&
      one !== null &&
      typeof (one as { row?: unknown }).row === 'number' &&
      'value' in one,
  )
    ? value
    : undefined;
}

/** What a mismatch is about and what can be done about it, as terms with their texts, for any output. Texts hold data: they are to be
 * made visible and escaped. */
export function sampleFacts(group: SampleGroup): readonly (readonly [string, string])[] {
  const sample = actedOn(group);
  const { call } = sample ?? {};
  return [
    ['call', sample === undefined ? undefined : callText(group, sample)],
    ['shape', group.shape],
    ['found', sample?.summary],
    ['reason', sample?.reason],
    ['trace', call?.trace],
    ['arguments', call?.unkept === undefined ? undefined : `are not kept: ${call.unkept}`],
    ['again', againText(group, call)],
  ].filter((fact): fact is [string, string] => fact[1] !== undefined && fact[1] !== '');
}

/** The sample that a person would take: the latest whose call can be made again, else the latest. */
export function actedOn({ samples }: Pick<SampleGroup, 'samples'>): StoredSample | undefined {
  return samples.findLast(({ call }) => call?.values === 'raw') ?? samples.at(-1);
}

function againText(
  { id }: Pick<SampleGroup, 'id'>,
  call: SampledCall | undefined,
): string | undefined {
  if (call === undefined) return undefined;
  if (call.kind === 'write') return 'never: it is a write';
  return call.values === 'raw' && call.adapted !== true
    ? `changeover reproduce ${id}`
    : `changeover reproduce ${id}, while the program runs`;
}

/** The call of a sample as it would be typed, a type in the place of each value that is not kept; undefined for a sample of a version
 * that kept no call. */
export function callText(
  { operation }: Pick<SampleGroup, 'operation'>,
  { call, dataset }: Pick<StoredSample, 'call' | 'dataset'>,
): string | undefined {
  if (call === undefined) return undefined;
  const args = call.args.map((argument) =>
    call.values === 'redacted' && argument === 'key'
      ? JSON.stringify(dataset)
      : argumentText(argument, call.values),
  );
  return `${operation}(${args.join(', ')})`;
}

function argumentText(argument: unknown, values: SampledCall['values']): string {
  if (typeof argument === 'string' && values === 'redacted') return argument;
  if (typeof argument !== 'object' || argument === null) return JSON.stringify(argument);
  if (Array.isArray(argument))
    return `[${argument.map((one) => argumentText(one, values)).join(', ')}]`;
  const { $: type, value } = argument as { readonly $?: unknown; readonly value?: unknown };
  if (values === 'raw' && typeof type === 'string') return taggedText(type, value);
  const fields = Object.entries(argument).map(([name, one]) =>
    name === '...' ? argumentText(one, values) : `${name}: ${argumentText(one, values)}`,
  );
  return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
}

/** What JSON has no form for. */
function taggedText(type: string, value: unknown): string {
  const text = typeof value === 'string' ? value : '';
  if (type === 'bigint') return `${text}n`;
  if (type === 'undefined' || type === 'number') return text === '' ? type : text;
  if (type === 'date') {
    const date = new Date(Number(text));
    return Number.isNaN(date.getTime()) ? 'an invalid date' : date.toISOString();
  }
  return `${type} ${text}`;
}
