import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  constraintFields,
  dependencyFields,
  documentFields,
  featureFields,
  listOperators,
  strategyFields,
  valueOperators,
  variantFields,
} from './client-api-fields.ts';
import { checkFlags } from './flags-document.ts';

type Json = Readonly<Record<string, unknown>>;

const folder = new URL('../../../../../flags/', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('schema.json', folder), 'utf8')) as Json & {
  examples: unknown[];
  $defs: Readonly<Record<string, Json>>;
  'x-refused': { path: string; document: unknown; schema?: 'silent' }[];
};

describe('checkFlags on a file', () => {
  test.each([
    ['flag', featureFields],
    ['strategy', strategyFields],
    ['variant', variantFields],
    ['constraint', constraintFields],
    ['dependency', dependencyFields],
    [undefined, documentFields],
  ] as const)('knows the fields of the schema and no other, of %s', (name, fields) => {
    const { properties } = name === undefined ? schema : (schema.$defs[name] ?? {});
    expect([...fields].sort()).toEqual(Object.keys(properties as Json).sort());
  });

  test('knows the operators of the schema and no other', () => {
    const { operator } = schema.$defs['constraint']?.['properties'] as Record<string, Json>;
    const known = [...listOperators, ...valueOperators];
    expect(known.sort()).toEqual([...(operator?.['enum'] as string[])].sort());
  });

  test.each(schema.examples)('takes example %# of the schema', (example) => {
    expect(checkFlags(example, 'file').problems).toEqual([]);
  });

  test.each(schema['x-refused'])(
    'refuses what is wrong at "$path", and says where and what to write',
    (refused) => {
      const { problems } = checkFlags(refused.document, 'file');
      expect(problems.map(({ path }) => path)).toEqual([refused.path]);
      expect(problems[0]?.message).toMatch(/: found .+; write .+/);
    },
  );

  test('takes the flags that come with the project, all on legacy', () => {
    const text = readFileSync(new URL('changeover.json', folder), 'utf8');
    const { problems, usable } = checkFlags(JSON.parse(text), 'file');
    expect(problems).toEqual([]);
    expect([...usable]).toEqual([
      'changeover',
      'changeover.sqlite',
      'changeover.duckdb',
      'changeover.postgresql',
    ]);
  });

  test('names the flag in the message', () => {
    const feature = { name: 'changeover.x', enabled: 1, strategies: [] };
    const { problems } = checkFlags({ version: 2, features: [feature] }, 'file');
    expect(problems[0]).toEqual({
      flag: 'changeover.x',
      path: 'features[0].enabled',
      message: 'flag "changeover.x", features[0].enabled: found 1; write true or false',
    });
  });

  test('a document full of errors gives a bounded list and their number', () => {
    const { problems } = checkFlags(
      { version: 2, features: Array.from({ length: 500 }, () => 1) },
      'file',
    );
    expect(problems).toHaveLength(51);
    expect(problems[50]?.message).toBe('and 450 more problems');
  });

  test.each([undefined, null, 5, 'x', true])('refuses %j, which is no document', (document) => {
    expect(checkFlags(document, 'file').problems).toHaveLength(1);
  });
});

describe('checkFlags on what a server sent', () => {
  const good = (schema.examples[1] as { features: Json[] }).features[0] ?? {};

  test('leaves out the flag with a problem and takes the others', () => {
    const bad = { ...good, name: 'changeover.duckdb', enabled: 'yes' };
    const { usable, problems } = checkFlags({ version: 2, features: [good, bad] }, 'server');
    expect([...usable]).toEqual(['changeover.sqlite']);
    expect(problems.map(({ flag }) => flag)).toEqual(['changeover.duckdb']);
  });

  test('takes fields that it does not know', () => {
    const { problems } = checkFlags(
      { version: 2, features: [{ ...good, newInUnleash: true }], more: 1 },
      'server',
    );
    expect(problems).toEqual([]);
  });
});

describe('the schema says the same', () => {
  test.each(schema.examples)('it takes example %#', (example) => {
    expect(violation(schema, example, '')).toBeUndefined();
  });

  test.each(schema['x-refused'].filter((refused) => refused.schema !== 'silent'))(
    'it refuses what is wrong at "$path"',
    ({ document }) => {
      expect(violation(schema, document, '')).toBeDefined();
    },
  );

  test('what it can not say is listed in its description', () => {
    const silent = schema['x-refused'].filter((refused) => refused.schema === 'silent');
    for (const { document } of silent) expect(violation(schema, document, '')).toBeUndefined();
    expect(schema['description']).toMatch(/README/);
  });
});

/** The first violation of the part of JSON Schema that our schema uses; undefined where there is none. */
function violation(rule: Json, value: unknown, path: string): string | undefined {
  const failed = (keyword: string): string => `${path}: ${keyword}`;
  const is = (type: unknown): boolean =>
    type === 'array'
      ? Array.isArray(value)
      : type === 'object'
        ? typeof value === 'object' && value !== null && !Array.isArray(value)
        : type === 'null'
          ? value === null
          : type === 'integer'
            ? Number.isInteger(value)
            : typeof value === type;
  const all = (rules: [Json, unknown, string][]): string | undefined =>
    rules.map(([one, part, at]) => violation(one, part, at)).find((found) => found !== undefined);
  const known = [
    '$schema',
    'title',
    'description',
    'type',
    'required',
    'additionalProperties',
    'properties',
    '$defs',
    'enum',
    'const',
    'minimum',
    'maximum',
    'pattern',
    'items',
    'maxItems',
    'anyOf',
    'default',
    '$ref',
    'examples',
    'x-refused',
    'contentMediaType',
    'contentSchema',
  ];
  for (const keyword of Object.keys(rule))
    if (!known.includes(keyword)) throw new Error(`unknown keyword ${keyword}`);
  if (typeof rule['$ref'] === 'string') {
    const target = schema.$defs[rule['$ref'].slice('#/$defs/'.length)];
    if (target === undefined) throw new Error(`no ${rule['$ref']}`);
    return violation(target, value, path);
  }
  const types = rule['type'] === undefined ? undefined : [rule['type']].flat();
  if (types !== undefined && !types.some(is)) return failed('type');
  if (Array.isArray(rule['enum']) && !rule['enum'].includes(value)) return failed('enum');
  if ('const' in rule && rule['const'] !== value) return failed('const');
  if (typeof value === 'number') {
    if (typeof rule['minimum'] === 'number' && value < rule['minimum']) return failed('minimum');
    if (typeof rule['maximum'] === 'number' && value > rule['maximum']) return failed('maximum');
  }
  if (typeof value === 'string') {
    if (typeof rule['pattern'] === 'string' && !new RegExp(rule['pattern'], 'u').test(value))
      return failed('pattern');
    if (rule['contentSchema'] !== undefined)
      return contentViolation(rule['contentSchema'] as Json, value, path);
  }
  const choices = rule['anyOf'] as Json[] | undefined;
  if (choices?.every((one) => violation(one, value, path) !== undefined) === true)
    return failed('anyOf');
  if (Array.isArray(value)) {
    if (typeof rule['maxItems'] === 'number' && value.length > rule['maxItems'])
      return failed('maxItems');
    if (rule['items'] === undefined) return undefined;
    return all(
      value.map((item, index) => [rule['items'] as Json, item, `${path}[${String(index)}]`]),
    );
  }
  if (!is('object')) return undefined;
  const object = value as Json;
  const properties = (rule['properties'] ?? {}) as Readonly<Record<string, Json>>;
  const missing = ((rule['required'] ?? []) as string[]).find((name) => object[name] === undefined);
  if (missing !== undefined) return failed(`required ${missing}`);
  const others = Object.keys(object).filter((name) => properties[name] === undefined);
  if (rule['additionalProperties'] === false && others.length > 0)
    return failed(`additional ${others.join()}`);
  const rest = rule['additionalProperties'];
  return all([
    ...Object.keys(properties)
      .filter((name) => object[name] !== undefined)
      .map((name): [Json, unknown, string] => [
        properties[name] ?? {},
        object[name],
        `${path}.${name}`,
      ]),
    ...(typeof rest !== 'object'
      ? []
      : others.map((name): [Json, unknown, string] => [rest as Json, object[name], name])),
  ]);
}

function contentViolation(rule: Json, text: string, path: string): string | undefined {
  try {
    return violation(rule, JSON.parse(text), path);
  } catch {
    return `${path}: no JSON`;
  }
}
