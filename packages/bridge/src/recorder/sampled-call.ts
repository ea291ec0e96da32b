import { typeName } from '@changeover/compare';

/** Whether samples hold values: `redacted` keeps types and lengths, `raw` the values themselves. */
export type SampleValues = 'redacted' | 'raw';

/** The call of a comparison, as a sample has it. JSON-able. */
export interface SampledCall {
  readonly kind: 'read' | 'write';
  /** What stands in `args`. */
  readonly values: SampleValues;
  /**
   * One entry an argument. Redacted, lists and the names of fields are kept, and a text stands for each value: `text(12)`, `number`,
   * `key` for the key itself. Raw, they are the values, those that JSON has not as `{ "$": "bigint", "value": "12" }`.
   */
  readonly args: readonly unknown[];
  /** Why values are not kept although they were asked for; undefined where they are, or were not asked for. */
  readonly unkept?: string | undefined;
  /** The arguments are told by an adapter, whose calls only the program can make. Default: false. */
  readonly adapted?: boolean | undefined;
  /** The trace of the caller's span, 32 hexadecimal digits, where OpenTelemetry is there. */
  readonly trace?: string | undefined;
}

/** How much of a call is described. */
const maxEntries = 10;
const maxFields = 30;
const maxDepth = 4;
const maxParts = 200;
/** Names of fields that are kept: options and columns. A longer one, or one with other characters, may be data. */
const plainName = /^[A-Za-z_$][\w$]{0,39}$/;
/** Arguments whose JSON is longer are not kept. */
const maxRawLength = 16_000;

/**
 * A call's arguments without their values: what type each is, and how long. Never throws.
 *
 * @param key the key that the call is about, which a report shows anyway.
 */
export function describeArguments(args: readonly unknown[], key: string): readonly unknown[] {
  let parts = 0;
  const describe = (value: unknown, depth: number): unknown => {
    parts += 1;
    if (typeof value === 'string')
      return depth === 0 && value === key ? 'key' : sized('text', value.length);
    if (Array.isArray(value))
      return depth >= maxDepth || parts > maxParts
        ? sized('list', value.length)
        : list(value, depth);
    const type = typeName(value);
    if (type === 'bytes') return sized(type, (value as Uint8Array).byteLength);
    if (type === 'map' || type === 'set') return sized(type, (value as ReadonlySet<unknown>).size);
    return type === 'struct' && depth < maxDepth && parts <= maxParts
      ? struct(value as object, depth)
      : type;
  };
  const list = (values: readonly unknown[], depth: number): unknown[] => [
    ...values.slice(0, maxEntries).map((value) => describe(value, depth + 1)),
    ...(values.length > maxEntries ? [`and ${String(values.length - maxEntries)} more`] : []),
  ];
  const struct = (value: object, depth: number): object => {
    const names = Object.keys(value);
    const shown = names.slice(0, maxFields).filter((name) => plainName.test(name));
    const fields = Object.fromEntries(
      shown.map((name) => [name, describe((value as Record<string, unknown>)[name], depth + 1)]),
    );
    const left = names.length - shown.length;
    return left === 0 ? fields : { ...fields, '...': `and ${String(left)} more` };
  };
  return args.map((argument) => {
    try {
      return describe(argument, 0);
    } catch {
      return 'hidden';
    }
  });
}

function sized(type: string, length: number): string {
  return `${type}(${String(length)})`;
}

/** Why a value has no form in which it can be stored and read back. */
class UnkeptError extends Error {}

/** A call as it may be kept. Never throws. */
export function sampledCall(
  call: Pick<SampledCall, 'kind' | 'trace' | 'adapted'> & { readonly args: readonly unknown[] },
  key: string,
  values: SampleValues,
): SampledCall {
  const { kind, args } = call;
  const more = {
    ...(call.adapted === true ? { adapted: true } : {}),
    ...(call.trace === undefined ? {} : { trace: call.trace }),
  };
  const redacted = {
    kind,
    values: 'redacted',
    args: describeArguments(args, key),
    ...more,
  } as const;
  if (values === 'redacted') return redacted;
  try {
    const raw = args.map(rawValue);
    const { length } = JSON.stringify(raw);
    if (length <= maxRawLength) return { kind, values, args: raw, ...more };
    return {
      ...redacted,
      unkept: `they are ${String(length)} characters of JSON, and ${String(maxRawLength)} are kept`,
    };
  } catch (error) {
    return {
      ...redacted,
      unkept: error instanceof UnkeptError ? error.message : 'they can not be read',
    };
  }
}

/**
 * A value in a form that is JSON and can be read back by {@link valueOfRaw}.
 *
 * @throws {UnkeptError} for a function, or an object of a class of its own.
 */
export function rawValue(value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : tagged('number', Object.is(value, -0) ? '-0' : String(value));
  if (typeof value === 'bigint') return tagged('bigint', String(value));
  if (value === undefined) return { $: 'undefined' };
  if (Array.isArray(value)) return Array.from(value as unknown[], rawValue);
  switch (typeName(value)) {
    case 'date':
      return tagged('date', String((value as Date).getTime()));
    case 'bytes': {
      const bytes = value as Uint8Array;
      return tagged(
        'bytes',
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
      );
    }
    case 'struct':
      if (!Object.hasOwn(value, '$'))
        return Object.fromEntries(
          Object.entries(value).map(([name, field]) => [name, rawValue(field)]),
        );
  }
  throw new UnkeptError(
    `there is a value of the type ${typeName(value)}, which can not be stored and read back`,
  );
}

function tagged(type: string, value: string): object {
  return { $: type, value };
}

/** What {@link rawValue} was given. */
export function valueOfRaw(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null) return raw;
  if (Array.isArray(raw)) return raw.map(valueOfRaw);
  const { $: type, value } = raw as { readonly $?: unknown; readonly value?: unknown };
  const text = String(value);
  switch (type) {
    case 'undefined':
      return undefined;
    case 'number':
      return Number(text);
    case 'bigint':
      return BigInt(text);
    case 'date':
      return new Date(Number(text));
    case 'bytes':
      return Buffer.from(text, 'base64');
    default:
      return Object.fromEntries(
        Object.entries(raw).map(([name, field]) => [name, valueOfRaw(field)]),
      );
  }
}
