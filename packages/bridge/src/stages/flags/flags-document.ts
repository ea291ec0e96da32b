import type { ClientFeaturesResponse } from 'unleash-client';
import {
  featureFields,
  strategyFields,
  variantFields,
  constraintFields,
  documentFields,
  dependencyFields,
  usableStrategies,
  listOperators,
  dateOperators,
  valueOperators,
} from './client-api-fields.ts';
import {
  isObject,
  parseVariantPayload,
  quoted,
  stageOfVariant,
  variantNames,
  type VariantPayload,
} from './stage-variant.ts';

/** The parent of all stage flags: where it is off, every call goes to the legacy leg. */
export const killSwitchFlag = 'changeover';

/** The flag of a backend. */
export function stageFlag(backend: string): string {
  return `${killSwitchFlag}.${backend}`;
}

/** Something in flag data that can't be used. */
export interface FlagProblem {
  /** The flag that it is in; undefined where it concerns the whole document. */
  readonly flag: string | undefined;
  /** Where, by name and index: `features[1].strategies[0].variants[2].weight`. */
  readonly path: string;
  /** For people: flag, path, what was found, what to write. */
  readonly message: string;
}

/** Flag data after the check. */
export interface CheckedFlags {
  /** The whole document as the client takes it; undefined where it has no usable shape at all. */
  readonly data: ClientFeaturesResponse | undefined;
  /** The payloads of the stage flags' variants by their text. */
  readonly payloads: ReadonlyMap<string, VariantPayload>;
  /** The stage flags and the kill switch as far as they can be used. */
  readonly usable: ReadonlySet<string>;
  readonly problems: readonly FlagProblem[];
  /** Moments named by date constraints, in ms since 1970, ascending: answers change then without new data. */
  readonly changesAt: readonly number[];
}

/**
 * Checks data of the shape of Unleash's client API. The flags of this project (`changeover` and `changeover.*`) and
 * what they depend on are checked in depth, other flags are passed on.
 *
 * @param origin `file` also refuses fields that the client API doesn't have: they are typing errors there, and a
 * mistyped `constraints` would widen a rollout. A server may send fields that this version doesn't know.
 */
export function checkFlags(document: unknown, origin: 'file' | 'server'): CheckedFlags {
  const check = new FlagsCheck(origin === 'file');
  return check.run(document);
}

type Json = Readonly<Record<string, unknown>>;

const totalWeight = 1_000;
/** A document full of errors gives this many messages and the number of the others. */
const maxProblems = 50;

class FlagsCheck {
  readonly #strict: boolean;
  readonly #problems: FlagProblem[] = [];
  readonly #faulty = new Set<string>();
  readonly #payloads = new Map<string, VariantPayload>();
  readonly #changesAt: number[] = [];
  #flag: string | undefined = undefined;
  #uncounted = 0;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  run(document: unknown): CheckedFlags {
    const features = this.#features(document);
    const segments = isObject(document)
      ? this.#segments(document['segments'])
      : new Map<number, Json>();
    const usable = new Set<string>();
    for (const [name, { feature, path }] of features) {
      if (name !== killSwitchFlag && !name.startsWith(`${killSwitchFlag}.`)) continue;
      this.#flag = name;
      this.#stageFlag(feature, path, name, features, segments);
      if (!this.#faulty.has(name)) usable.add(name);
    }
    if (this.#uncounted > 0) {
      this.#problems.push({
        flag: undefined,
        path: '',
        message: `and ${String(this.#uncounted)} more problems`,
      });
    }
    const data =
      isObject(document) && Array.isArray(document['features'])
        ? ({
            version: typeof document['version'] === 'number' ? document['version'] : 2,
            features: [...features.values()].map(({ feature }) => feature),
            segments: [...segments.values()],
          } as unknown as ClientFeaturesResponse)
        : undefined;
    return {
      data,
      payloads: this.#payloads,
      usable,
      problems: this.#problems,
      changesAt: this.#changesAt.sort((a, b) => a - b),
    };
  }

  #features(document: unknown): Map<string, { feature: Json; path: string }> {
    const features = new Map<string, { feature: Json; path: string }>();
    if (!isObject(document)) {
      this.#report('', document, 'a JSON object with "version" and "features"');
      return features;
    }
    this.#fields(document, documentFields, '');
    if (this.#strict && document['version'] !== 1 && document['version'] !== 2) {
      this.#report('version', document['version'], '2');
    }
    const list = document['features'];
    if (!Array.isArray(list)) {
      this.#report('features', list, 'a list of flags');
      return features;
    }
    for (const [index, feature] of (list as readonly unknown[]).entries()) {
      const path = `features[${String(index)}]`;
      if (!isObject(feature))
        this.#report(path, feature, 'a flag: an object with "name", "enabled" and "strategies"');
      else if (typeof feature['name'] !== 'string')
        this.#report(`${path}.name`, feature['name'], "the flag's name");
      else if (features.has(feature['name'])) {
        this.#flag = feature['name'];
        this.#report(`${path}.name`, feature['name'], 'a name that no other flag has');
      } else features.set(feature['name'], { feature, path });
      this.#flag = undefined;
    }
    return features;
  }

  #segments(value: unknown): Map<number, Json> {
    const segments = new Map<number, Json>();
    if (value === undefined) return segments;
    if (!Array.isArray(value)) {
      this.#report('segments', value, 'a list of segments, or nothing');
      return segments;
    }
    for (const [index, segment] of (value as readonly unknown[]).entries()) {
      const path = `segments[${String(index)}]`;
      if (!isObject(segment))
        this.#report(path, segment, 'a segment: an object with "id" and "constraints"');
      else if (typeof segment['id'] !== 'number')
        this.#report(`${path}.id`, segment['id'], "the segment's number");
      else segments.set(segment['id'], segment);
    }
    return segments;
  }

  #stageFlag(
    feature: Json,
    path: string,
    name: string,
    features: ReadonlyMap<string, { feature: Json; path: string }>,
    segments: ReadonlyMap<number, Json>,
  ): void {
    const isSwitch = name === killSwitchFlag;
    this.#switchPart(feature, path, segments, isSwitch);
    const { strategies, variants } = feature;
    if (Array.isArray(variants) && variants.length > 0) {
      this.#report(
        `${path}.variants`,
        variants,
        "no variants on the flag: write them on the flag's strategies",
      );
    }
    if (
      !isSwitch &&
      Array.isArray(strategies) &&
      strategies.length === 0 &&
      feature['enabled'] === true
    ) {
      // The client takes an enabled flag without strategies for one that is on for everyone.
      this.#report(
        `${path}.strategies`,
        strategies,
        'a strategy with variants, or "enabled": false',
      );
    }
    this.#dependencies(feature['dependencies'], `${path}.dependencies`, features, segments);
  }

  /** What is the same for a stage flag, the kill switch and other parents. */
  #switchPart(
    feature: Json,
    path: string,
    segments: ReadonlyMap<number, Json>,
    isSwitch: boolean,
  ): void {
    this.#fields(feature, featureFields, path);
    if (typeof feature['enabled'] !== 'boolean')
      this.#report(`${path}.enabled`, feature['enabled'], 'true or false');
    const { strategies } = feature;
    if (!Array.isArray(strategies)) {
      this.#report(`${path}.strategies`, strategies, 'a list of strategies');
      return;
    }
    for (const [index, strategy] of (strategies as readonly unknown[]).entries()) {
      const at = `${path}.strategies[${String(index)}]`;
      if (!isObject(strategy))
        this.#report(at, strategy, 'a strategy: an object with "name" and "parameters"');
      else this.#strategy(strategy, at, segments, isSwitch);
    }
  }

  #strategy(
    strategy: Json,
    path: string,
    segments: ReadonlyMap<number, Json>,
    isSwitch: boolean,
  ): void {
    this.#fields(strategy, strategyFields, path);
    const { name, parameters, variants } = strategy;
    if (typeof name !== 'string' || !usableStrategies.includes(name)) {
      const why = "others aren't the same for a dataset each time";
      this.#report(`${path}.name`, name, `one of ${quoted(usableStrategies)}: ${why}`);
    }
    if (name === 'flexibleRollout') this.#rollout(parameters, `${path}.parameters`, isSwitch);
    this.#constraints(strategy['constraints'], `${path}.constraints`);
    this.#segmentReferences(strategy['segments'], `${path}.segments`, segments);
    if (isSwitch) return;
    if (!Array.isArray(variants) || variants.length === 0) {
      this.#report(
        `${path}.variants`,
        variants,
        `a list of variants named ${quoted(variantNames)}`,
      );
      return;
    }
    this.#variants(variants, `${path}.variants`);
  }

  #rollout(parameters: unknown, path: string, isSwitch: boolean): void {
    if (!isObject(parameters)) {
      this.#report(
        path,
        parameters,
        '{"rollout": "100", "stickiness": "dataset", "groupId": the flag\'s name}',
      );
      return;
    }
    const { rollout, stickiness, groupId } = parameters;
    // The client compares with whole numbers from 1 to 100: "0.5" would be nobody.
    const percent = typeof rollout === 'number' ? String(rollout) : rollout;
    if (typeof percent !== 'string' || !/^(?:100|[1-9]?[0-9])$/.test(percent)) {
      this.#report(`${path}.rollout`, rollout, 'a whole number of percent from "0" to "100"');
    }
    // A switch for everyone needs no stickiness; any other choice but the dataset's name would be drawn anew each time.
    const forAll = isSwitch && (percent === '100' || percent === '0');
    if (stickiness !== 'dataset' && !forAll)
      this.#report(`${path}.stickiness`, stickiness, '"dataset"');
    if ((typeof groupId !== 'string' || groupId === '') && !isSwitch) {
      this.#report(
        `${path}.groupId`,
        groupId,
        "the flag's name, and never another later: it places the datasets",
      );
    }
  }

  #variants(variants: readonly unknown[], path: string): void {
    let sum = 0;
    let whole = true;
    let last = -1;
    for (const [index, variant] of variants.entries()) {
      const at = `${path}[${String(index)}]`;
      if (!isObject(variant)) {
        this.#report(at, variant, 'a variant: an object with "name", "weight" and "stickiness"');
        continue;
      }
      this.#fields(variant, variantFields, at);
      const { name, weight, stickiness, overrides } = variant;
      const position = variantNames.findIndex((known) => known === name);
      if (stageOfVariant(name) === undefined)
        this.#report(`${at}.name`, name, `one of ${quoted(variantNames)}`);
      else if (position <= last) {
        this.#report(`${at}.name`, name, `each variant once, in the order ${quoted(variantNames)}`);
      }
      last = Math.max(last, position);
      if (
        typeof weight !== 'number' ||
        !Number.isInteger(weight) ||
        weight < 0 ||
        weight > totalWeight
      ) {
        this.#report(`${at}.weight`, weight, 'a whole number from 0 to 1000 (thousandths)');
        whole = false;
      } else sum += weight;
      if (stickiness !== 'dataset') this.#report(`${at}.stickiness`, stickiness, '"dataset"');
      if (Array.isArray(overrides) && overrides.length > 0) {
        this.#report(
          `${at}.overrides`,
          overrides,
          'no overrides: use a strategy with a constraint on "dataset"',
        );
      }
      this.#payload(variant['payload'], `${at}.payload`);
    }
    // With another sum all datasets would be dealt anew, and some would go backward.
    if (whole && sum !== totalWeight) {
      this.#report(path, `weights that add up to ${String(sum)}`, 'weights that add up to 1000');
    }
  }

  #payload(payload: unknown, path: string): void {
    if (payload === undefined || payload === null) return;
    if (!isObject(payload) || payload['type'] !== 'json' || typeof payload['value'] !== 'string') {
      this.#report(path, payload, '{"type": "json", "value": "{...}"}, or nothing');
      return;
    }
    const text = payload['value'];
    this.#payloads.set(
      text,
      parseVariantPayload(text, (below, found, expected) => {
        this.#report(`${path}.value${below}`, found, expected);
      }),
    );
  }

  #constraints(constraints: unknown, path: string): void {
    if (constraints === undefined) return;
    if (!Array.isArray(constraints)) {
      this.#report(path, constraints, 'a list of constraints, or nothing');
      return;
    }
    for (const [index, constraint] of (constraints as readonly unknown[]).entries()) {
      const at = `${path}[${String(index)}]`;
      if (isObject(constraint)) this.#constraint(constraint, at);
      else
        this.#report(at, constraint, 'a constraint: an object with "contextName" and "operator"');
    }
  }

  #constraint(constraint: Json, path: string): void {
    this.#fields(constraint, constraintFields, path);
    const { contextName, operator, values, value } = constraint;
    if (typeof contextName !== 'string') {
      const names = ['dataset', 'operation', 'backend', 'environment', 'currentTime'];
      this.#report(`${path}.contextName`, contextName, `one of ${quoted(names)}`);
    }
    if (typeof operator !== 'string' || ![...listOperators, ...valueOperators].includes(operator)) {
      this.#report(
        `${path}.operator`,
        operator,
        `one of ${quoted([...listOperators, ...valueOperators])}`,
      );
    } else if (listOperators.includes(operator)) {
      // The client fails on a missing list.
      const isList = Array.isArray(values) && values.every((one) => typeof one === 'string');
      if (!isList) this.#report(`${path}.values`, values, 'a list of texts');
    } else if (typeof value !== 'string' && typeof value !== 'number') {
      this.#report(`${path}.value`, value, 'a text or a number');
    } else if (dateOperators.includes(operator)) {
      const at = new Date(value).getTime();
      if (Number.isNaN(at))
        this.#report(`${path}.value`, value, 'a date such as "2026-01-31T12:00:00Z"');
      else this.#changesAt.push(at);
    }
  }

  #segmentReferences(references: unknown, path: string, segments: ReadonlyMap<number, Json>): void {
    if (references === undefined) return;
    if (!Array.isArray(references)) {
      this.#report(path, references, "a list of segments' numbers, or nothing");
      return;
    }
    for (const [index, id] of (references as readonly unknown[]).entries()) {
      const segment = segments.get(id as number);
      if (segment === undefined)
        this.#report(`${path}[${String(index)}]`, id, 'the number of a segment in "segments"');
      else this.#constraints(segment['constraints'], `segments(${String(id)}).constraints`);
    }
  }

  #dependencies(
    dependencies: unknown,
    path: string,
    features: ReadonlyMap<string, { feature: Json; path: string }>,
    segments: ReadonlyMap<number, Json>,
  ): void {
    if (dependencies === undefined) return;
    if (!Array.isArray(dependencies)) {
      this.#report(path, dependencies, 'a list such as [{"feature": "changeover"}], or nothing');
      return;
    }
    for (const [index, dependency] of (dependencies as readonly unknown[]).entries()) {
      const at = `${path}[${String(index)}]`;
      if (!isObject(dependency)) {
        this.#report(at, dependency, '{"feature": "changeover"}');
        continue;
      }
      this.#fields(dependency, dependencyFields, at);
      const parent = features.get(dependency['feature'] as string);
      if (parent === undefined) {
        this.#report(`${at}.feature`, dependency['feature'], 'the name of a flag in "features"');
      } else if (dependency['feature'] !== killSwitchFlag) {
        this.#switchPart(parent.feature, parent.path, segments, true);
      }
    }
  }

  #fields(value: Json, known: readonly string[], path: string): void {
    if (!this.#strict) return;
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      this.#report(
        path === '' ? key : `${path}.${key}`,
        value[key],
        `one of the fields ${known.join(', ')}`,
      );
    }
  }

  #report(path: string, found: unknown, expected: string): void {
    if (this.#flag !== undefined) this.#faulty.add(this.#flag);
    if (this.#problems.length >= maxProblems) {
      this.#uncounted += 1;
      return;
    }
    const where = this.#flag === undefined ? '' : `flag "${this.#flag}", `;
    const field = path === '' ? 'the document' : path;
    const message = `${where}${field}: found ${brief(found)}; write ${expected}`;
    this.#problems.push({ flag: this.#flag, path, message });
  }
}

/** A value cut for a message. */
function brief(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
