import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { migrationInstruments } from '@changeover/bridge';
import { type Instrument } from '@changeover/core';
import { prometheusName } from '@changeover/operate';
import { poolInstruments } from '@changeover/pooled';
import { shedReasons, verdicts } from '@changeover/bridge';
import { stages } from '@changeover/core';
import { parse } from 'yaml';
import { root } from '../architecture/source-files.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly query: string | { readonly query: string };
    }[];
  };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}
interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const folder = join(root, 'packages/changeover/monitoring');
const dashboard = JSON.parse(
  readFileSync(join(folder, 'changeover-dashboard.json'), 'utf8'),
) as Dashboard;
const alerts = (
  parse(readFileSync(join(folder, 'changeover-alerts.yml'), 'utf8')) as {
    groups: readonly { readonly rules: readonly Alert[] }[];
  }
).groups.flatMap(({ rules }) => rules);

const instruments: readonly Instrument[] = [
  ...Object.values(migrationInstruments),
  ...Object.values(poolInstruments),
];
/** What can be asked for, and the labels that it has. */
const series: ReadonlyMap<string, readonly string[]> = new Map(
  instruments.flatMap((instrument): [string, string[]][] => {
    const name = prometheusName(instrument);
    const labels = instrument.attributes.map((attribute) => attribute.replaceAll('.', '_'));
    return instrument.kind !== 'histogram'
      ? [[name, labels]]
      : [
          [`${name}_bucket`, [...labels, 'le']],
          [`${name}_sum`, labels],
          [`${name}_count`, labels],
        ];
  }),
);
const knownValues: Readonly<Record<string, readonly string[]>> = {
  changeover_stage: stages,
  changeover_verdict: verdicts,
  changeover_reason: shedReasons,
  changeover_leg: ['legacy', 'pooled'],
  changeover_breaker_state: ['closed', 'open', 'half-open'],
  db_client_connection_state: ['idle', 'used'],
};
/** Added by whoever fetches. */
const foreignLabels = ['instance', 'job'];

const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const expressions: readonly (readonly [of: string, expression: string])[] = [
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [`panel ${title}`, expr] as const),
  ),
  ...dashboard.annotations.list.map(({ expr }) => ['annotation', expr] as const),
  ...alerts.map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
];

/** What is wrong with an expression, and the series that it reads. */
function read(expression: string): { readonly problems: string[]; readonly names: string[] } {
  const text = expression.replaceAll('$__rate_interval', '5m').replaceAll('$engine', 'sqlite');
  const problems: string[] = [];
  const names: string[] = [];
  const labels: string[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      const part = text.slice(from, to);
      if (type.isError)
        problems.push(`no PromQL at ${String(from)}: ${text.slice(from, from + 20)}`);
      else if (type.name === 'VectorSelector') names.push(text.slice(from, node.firstChild?.to));
      else if (type.name === 'LabelName' || type.name === 'UnquotedLabelName') labels.push(part);
      if (type.name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', values = ''] =
          /^(\w+)\s*(=~|!=|!~|=)\s*"(.*)"$/s.exec(part) ?? [];
        const known = knownValues[label];
        const asked = operator.endsWith('~') ? values.split('|') : [values];
        if (values !== '' && known !== undefined && asked.some((one) => !known.includes(one))) {
          problems.push(`${part} can never be: ${known.join(', ')}`);
        }
      }
    },
  });
  for (const name of names) if (!series.has(name)) problems.push(`there is no metric ${name}`);
  const had = new Set([...foreignLabels, ...names.flatMap((name) => series.get(name) ?? [])]);
  for (const label of labels)
    if (!had.has(label)) problems.push(`${names.join(', ')} has no label ${label}`);
  if (names.length === 0) problems.push('reads no metric');
  return { problems, names };
}

test.each(expressions)('%s asks for what there is', (_of, expression) => {
  expect(read(expression).problems).toEqual([]);
});

test('a wrong expression would be seen', () => {
  expect(read('sum by (colour) (rate(changeover_calls_total[5m]))').problems).toEqual([
    'changeover_calls_total has no label colour',
  ]);
  expect(read('changeover_cals_total').problems).toEqual([
    'there is no metric changeover_cals_total',
  ]);
  expect(read('changeover_calls_total{changeover_stage="shado"}').problems).toEqual([
    expect.stringContaining('can never be'),
  ]);
  expect(read('rate(changeover_calls_total[5m)').problems).not.toEqual([]);
});

describe('the dashboard', () => {
  test('shows every metric', () => {
    const shown = new Set(
      expressions
        .filter(([of]) => of.startsWith('panel'))
        .flatMap(([, expression]) => read(expression).names),
    );
    const missing = instruments
      .map(prometheusName)
      .filter((name) => ![name, `${name}_bucket`].some((one) => shown.has(one)));
    expect(missing).toEqual([]);
  });

  test('has panels that do not overlap, each with a title and a legend', () => {
    const places = new Set<string>();
    for (const {
      title,
      gridPos: { x, y, w, h },
      targets = [],
    } of panels) {
      expect(title).not.toBe('');
      expect(targets.length).toBeGreaterThan(0);
      for (const { legendFormat } of targets) expect(legendFormat).not.toBe('');
      for (let column = x; column < x + w; column += 1) {
        for (let line = y; line < y + h; line += 1) {
          const place = `${String(column)} ${String(line)}`;
          expect(places.has(place)).toBe(false);
          places.add(place);
        }
      }
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  test('lets the engine be chosen from a label that calls have', () => {
    const { query } = dashboard.templating.list.find(({ name }) => name === 'engine') ?? {
      query: '',
    };
    const [, name = '', label = ''] =
      /^label_values\((\w+), (\w+)\)$/.exec(typeof query === 'string' ? query : query.query) ?? [];
    expect(series.get(name)).toContain(label);
  });
});

describe('the alerts', () => {
  test.each(alerts)(
    '$alert says how bad it is, what it is and what to do, by labels that its expression has',
    (alert) => {
      const { summary, description } = alert.annotations;
      expect(['critical', 'warning']).toContain(alert.labels.severity);
      expect(description.length).toBeGreaterThan(15);
      const used = [...`${summary} ${description}`.matchAll(/\$labels\.(\w+)/g)].map(
        (match) => match[1],
      );
      const kept = [...alert.expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap((match) =>
        (match[1] ?? '').split(/,\s*/),
      );
      for (const label of used) expect(kept).toContain(label);
    },
  );

  test('are the ones that docs/monitoring.md tells of, as the metrics are', () => {
    const text = readFileSync(join(root, 'docs/monitoring.md'), 'utf8');
    const named = [...text.matchAll(/^\| `(Changeover\w+)` \|/gm)].map((match) => match[1]);
    expect(named).toEqual(alerts.map(({ alert }) => alert));
    const metrics = [...text.matchAll(/^\| `([a-z_]+)` \| ([^|]+) \|/gm)].map((match) => [
      match[1],
      match[2]?.trim(),
    ]);
    expect(metrics).toEqual(
      Object.values(migrationInstruments).map((instrument) => [
        prometheusName(instrument),
        instrument.description,
      ]),
    );
  });
});
