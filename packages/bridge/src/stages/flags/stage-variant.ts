import { parseRules } from '@changeover/compare';
import { stageNamed, stages, type Stage } from '@changeover/core';
import {
  defaultShadowSettings,
  type GuaranteeLevels,
  type ShadowSettings,
} from './stage-source.ts';

/**
 * The variants' names, in order. The number keeps the order on a server that sorts variants by name: assignment is
 * cumulative over them, so in any other order a dataset would jump over stages, and back, while weights are changed.
 */
export const variantNames = ['0-legacy', '1-shadow', '2-reverse', '3-pooled'] as const;

/** The stage that a variant stands for; undefined where there is no such variant. */
export function stageOfVariant(name: unknown): Stage | undefined {
  const index = variantNames.findIndex((known) => known === name);
  return index < 0 ? undefined : stages[index];
}

/** What a variant's payload says. */
export interface VariantPayload {
  readonly settings: ShadowSettings;
  /** The latest stage allowed, by dataset in lower case and by operation. */
  readonly limits: {
    readonly datasets: ReadonlyMap<string, Stage>;
    readonly operations: ReadonlyMap<string, Stage>;
  };
}

/** Tells of something wrong at a path below the payload: `.sampleRate`, what was found, what to write. */
export type ReportProblem = (path: string, found: unknown, expected: string) => void;

/** What holds for a variant without a payload. */
export const emptyPayload: VariantPayload = Object.freeze({
  settings: defaultShadowSettings,
  limits: Object.freeze({
    datasets: new Map<string, Stage>(),
    operations: new Map<string, Stage>(),
  }),
});

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
  readonly expected: string;
}

const share: Bounds = {
  min: 0,
  max: 1,
  whole: false,
  expected: 'a number from 0 (none) to 1 (all)',
};
type NumberSetting = Exclude<keyof ShadowSettings, 'rules' | 'accept' | 'guarantees'>;
const settingBounds: Readonly<Record<NumberSetting, Bounds>> = {
  sampleRate: share,
  deadlineMs: { min: 1, max: 600_000, whole: false, expected: 'milliseconds from 1 to 600000' },
  rehearsalBudgetMs: {
    min: 0,
    max: 10_000,
    whole: false,
    expected: 'milliseconds from 0 (no rehearsals) to 10000',
  },
  rehearsalSampleRate: share,
  maxRows: {
    min: 0,
    max: 100_000_000,
    whole: true,
    expected: 'a whole number from 0 to 100000000',
  },
};
const settingNames = Object.keys(settingBounds) as NumberSetting[];
const fieldNames: readonly string[] = [...settingNames, 'rules', 'accept', 'guarantees', 'limits'];

/** Reads a payload's text. What is wrong with it is reported, and the default stands in its place. */
export function parseVariantPayload(text: string, report: ReportProblem): VariantPayload {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    report('', text, 'JSON, for example {"sampleRate": 0.5}');
    return emptyPayload;
  }
  if (!isObject(value)) {
    report('', value, 'a JSON object, for example {"sampleRate": 0.5}');
    return emptyPayload;
  }
  for (const key of Object.keys(value)) {
    if (!fieldNames.includes(key)) {
      report(`.${key}`, value[key], `one of the fields ${fieldNames.join(', ')}`);
    }
  }
  return Object.freeze({
    settings: parseSettings(value, report),
    limits: parseLimits(value['limits'], report),
  });
}

function parseSettings(
  value: Readonly<Record<string, unknown>>,
  report: ReportProblem,
): ShadowSettings {
  const settings: Record<NumberSetting, number> & Omit<ShadowSettings, NumberSetting> = {
    ...defaultShadowSettings,
    rules: rulesOf(value['rules'], report),
    accept: acceptOf(value['accept'], report),
    guarantees: guaranteesOf(value['guarantees'], report),
  };
  for (const name of settingNames) {
    const found = value[name];
    if (found === undefined) continue;
    const { min, max, whole, expected } = settingBounds[name];
    if (
      typeof found === 'number' &&
      found >= min &&
      found <= max &&
      (!whole || Number.isInteger(found))
    ) {
      settings[name] = found;
    } else {
      report(`.${name}`, found, expected);
    }
  }
  return Object.freeze(settings);
}

/** All rules or none: half of them would raise alarms that look real. */
function rulesOf(value: unknown, report: ReportProblem): ShadowSettings['rules'] {
  if (value === undefined) return defaultShadowSettings.rules;
  try {
    return parseRules(value);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    report(
      '.rules',
      value,
      `rules as in [{"kind": "ignore-column", "column": "loaded_at"}] (${problem})`,
    );
    return defaultShadowSettings.rules;
  }
}

function acceptOf(value: unknown, report: ReportProblem): readonly string[] {
  if (value === undefined) return defaultShadowSettings.accept;
  const isList =
    Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
  if (isList) return Object.freeze([...(value as string[])]);
  report('.accept', value, 'a list of operations, for example ["add"]');
  return defaultShadowSettings.accept;
}

const guaranteeLevels = {
  order: ['process', 'caller', 'none'],
  exclusion: ['process', 'none'],
  session: ['pin', 'refuse', 'none'],
} as const;
const guaranteeNames = Object.keys(guaranteeLevels) as (keyof GuaranteeLevels)[];

function guaranteesOf(value: unknown, report: ReportProblem): GuaranteeLevels {
  const levels: Record<keyof GuaranteeLevels, string> = { ...defaultShadowSettings.guarantees };
  if (value === undefined) return defaultShadowSettings.guarantees;
  if (!isObject(value)) {
    report('.guarantees', value, 'an object with "order", "exclusion" or "session"');
    return defaultShadowSettings.guarantees;
  }
  for (const [field, found] of Object.entries(value)) {
    const name = guaranteeNames.find((one) => one === field);
    if (name === undefined) {
      report(`.guarantees.${field}`, found, `one of the fields ${quoted(guaranteeNames)}`);
      continue;
    }
    const known: readonly string[] = guaranteeLevels[name];
    if (typeof found === 'string' && known.includes(found)) levels[name] = found;
    else report(`.guarantees.${name}`, found, `one of ${quoted(known)}`);
  }
  return Object.freeze(levels as unknown as GuaranteeLevels);
}

function parseLimits(value: unknown, report: ReportProblem): VariantPayload['limits'] {
  if (value === undefined) return emptyPayload.limits;
  if (!isObject(value)) {
    report('.limits', value, 'an object with "datasets" or "operations"');
    return emptyPayload.limits;
  }
  for (const key of Object.keys(value)) {
    if (key !== 'datasets' && key !== 'operations') {
      report(`.limits.${key}`, value[key], 'one of the fields "datasets", "operations"');
    }
  }
  return Object.freeze({
    // A limit that matched nothing for a capital letter would let through what it was written to hold back.
    datasets: parseLimitMap(value['datasets'], '.limits.datasets', report, (name) =>
      name.toLowerCase(),
    ),
    operations: parseLimitMap(value['operations'], '.limits.operations', report, (name) => name),
  });
}

function parseLimitMap(
  value: unknown,
  path: string,
  report: ReportProblem,
  normalize: (name: string) => string,
): Map<string, Stage> {
  const limits = new Map<string, Stage>();
  if (value === undefined) return limits;
  if (!isObject(value)) {
    report(path, value, `an object of names and stages, for example {"name": "shadow"}`);
    return limits;
  }
  for (const [name, found] of Object.entries(value)) {
    const stage = stageNamed(found);
    if (stage === undefined) report(`${path}.${name}`, found, `one of ${quoted(stages)}`);
    else limits.set(normalize(name), stage);
  }
  return limits;
}

/** A list of names for a message. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

/** True for what JSON calls an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
