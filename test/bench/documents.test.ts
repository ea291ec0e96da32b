import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchCases } from '../../scripts/bench/cases.ts';
import {
  documentNames,
  fillTemplate,
  measuredPath,
  templatePath,
} from '../../scripts/bench/documents.ts';
import { figureOf } from '../../scripts/bench/figure.ts';
import {
  type MeasuredFile,
  measuredText,
  readMeasured,
} from '../../scripts/bench/measured-file.ts';
import { atMost } from '../../scripts/bench/verdict.ts';
import { root } from '../architecture/source-files.ts';

const template = (name: (typeof documentNames)[number]): string =>
  readFileSync(templatePath(name), 'utf8');

/** What the ADR promises and how an interval is defined: numbers with a unit that nobody measured. */
const notMeasured = ['20 %', '7 %', '50 %', '10 %', '5 ms', '95 %'];

describe('the documents', () => {
  test.each(documentNames)('docs/%s is what the figures make of its template', (name) => {
    expect(readFileSync(join(root, 'docs', name), 'utf8')).toBe(
      fillTemplate(template(name), readMeasured(measuredPath), name),
    );
  });

  test.each(documentNames)('the template of %s has no figure of its own', (name) => {
    const prose = template(name).replaceAll(/\{\{[^}]*\}\}/g, '');
    const figures = [
      ...prose.matchAll(
        /\d[\d.,]*\s?(?:×|ns|µs|ms|s|seconds|minutes|KiB|MiB|GiB|%)(?!\w)|\d+\.\d+/g,
      ),
    ].map(([figure]) => figure);
    expect(figures.filter((figure) => !notMeasured.includes(figure))).toEqual([]);
  });

  test('docs/benchmarks.json has all benchmarks, each figure under a key of its own', () => {
    const { cases } = readMeasured(measuredPath);
    expect(cases.map(({ name }) => name)).toEqual(benchCases.map(({ name }) => name));
    for (const { name, figures } of cases) {
      const keys = figures.map(({ key }) => key);
      expect({ name, keys }).toEqual({ name, keys: [...new Set(keys)] });
      for (const key of keys) expect(key).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    }
  });

  test('docs/benchmarks.json is as the bench writes it', () => {
    expect(readFileSync(measuredPath, 'utf8')).toBe(measuredText(readMeasured(measuredPath)));
  });
});

const file: MeasuredFile = {
  run: {
    date: '2026-01-31',
    commit: 'abc',
    quick: true,
    tookMinutes: 1.5,
    machine: {
      cores: 2,
      processor: 'one',
      memoryGiB: 8,
      node: 'v24',
      platform: 'linux x64',
      load: 0,
    },
  },
  cases: [
    {
      name: 'reads',
      title: 'reads',
      tookSeconds: 1,
      figures: [
        figureOf({
          key: 'near-one',
          name: 'near',
          unit: '×',
          rounds: [0.5, 0.6, 0.7],
          target: atMost(0.65),
          beside: 'the driver 2 ms',
        }),
        figureOf({
          key: 'near-two',
          name: 'also near',
          unit: '×',
          rounds: [0.5, 0.5, 0.6],
          target: atMost(0.6),
        }),
      ],
    },
  ],
};

describe('a template', () => {
  const filled = (text: string): string =>
    fillTemplate(text, file, 'page.md').split('\n').slice(1).join('\n');

  test.each([
    ['{{figure reads.near-one}}', '0.60 ×'],
    ['{{judged reads.near-one}}', "0.60 × (0.50 to 0.70): can't tell"],
    [
      '{{judged reads.near-*}}',
      "near 0.60 × (0.50 to 0.70): can't tell<br>also near 0.50 × (0.50 to 0.60): held",
    ],
    ['{{beside reads.near-one}}', 'the driver 2 ms'],
    ['{{notes reads}}', '- near: the driver 2 ms'],
    ['{{verdicts}}', "1 targets are held, 0 missed, and of 1 this run can't tell."],
  ])('%s becomes %s', (text, expected) => {
    expect(filled(text)).toBe(expected);
  });

  test('says of a quick run that its figures are not to be cited', () => {
    expect(filled('{{run}}')).toMatch(/^2026-01-31, commit abc, 2 cores .*\n\n> \*\*A quick run:/s);
    expect(
      fillTemplate('{{run}}', { ...file, run: { ...file.run, quick: false } }, 'page.md'),
    ).not.toContain('quick');
  });

  test.each([
    '{{figure reads.far}}',
    '{{figure writes.near-one}}',
    '{{judged reads.far*}}',
    '{{figure reads.near-*}}',
    '{{notes writes}}',
    '{{best}}',
  ])('%s, which is not in the file, is an error', (text) => {
    expect(() => filled(text)).toThrow(`page.md asks for ${text}, which docs/benchmarks.json`);
  });
});

test('the file keeps a figure to four digits and its interval in a line', () => {
  const text = measuredText({
    ...file,
    cases: [
      {
        ...(file.cases[0] as MeasuredFile['cases'][number]),
        figures: [
          figureOf({
            key: 'k',
            name: 'n',
            unit: '×',
            rounds: [0.123456, 1, 2.00001],
            target: atMost(1),
          }),
        ],
      },
    ],
  });
  expect(text).toContain('"interval": [0.1235, 2]');
});
