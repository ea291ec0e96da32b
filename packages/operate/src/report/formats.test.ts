import { describe, expect, test } from '@jest/globals';
import { coverageOf } from './coverage.ts';
import type { JsonReport } from './json-report.ts';
import { escapeMarkdown } from './markdown-report.ts';
import { renderReport } from './render-report.ts';
import { type Report, type ReportFormat, reportFormats } from './report.ts';
import { reportData, sampleReport, startMs } from './test-kit/sample-report.ts';
import { textTable, textWidth } from './text-table.ts';
import { decideVerdict } from '@changeover/bridge';

const empty: Report = { data: reportData([], { runs: [] }) };
const hostile = `</td></style><script>alert(1)</script><img src=x onerror=alert(2)>"'&|\`*_[a](javascript:alert(3))\n# \u001b[2J\u202e\0\ud800@everyone`;

// Made once: a report of ten thousand reasons takes longer to make up than to write.
const none = sampleReport({ mismatches: 0 });
const ten = sampleReport({ mismatches: 10 });
const odd = sampleReport({ mismatches: 10, text: hostile });
const thousands = sampleReport({ mismatches: 10_000, reasons: 10_000 });

function render(format: ReportFormat, report: Report = ten): string {
  return renderReport(report, format);
}

describe.each(reportFormats)('as %s', (format) => {
  test('a report of nothing is written, and is inconclusive', () => {
    expect(render(format, empty)).toContain('INCONCLUSIVE');
  });

  test('the decision is what the gates came to', () => {
    expect(render(format, none)).toContain('PROMOTE');
    expect(render(format)).toContain('HOLD');
    expect(render(format)).not.toMatch(/\bundefined\b|\bNaN\b|\[object /);
  });

  test('no report says that all is well where a check of its own did not hold', () => {
    const written = render(format, { ...none, problems: ['the rollback took a minute'] });
    expect(written).toContain('the rollback took a minute');
    const opens = {
      html: /<title>HOLD/,
      json: /^ {2}"decision": "HOLD"/m,
      md: /^\*\*HOLD/m,
      text: /^HOLD/m,
      junit: /: HOLD" tests/,
    };
    expect(written).toMatch(opens[format]);
  });

  test('the same report is written the same', () => {
    expect(render(format)).toBe(render(format));
  });

  test('what steers terminals, turns writing round or is no character is not passed on', () => {
    const written = render(format, odd);
    expect(written).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(written.isWellFormed()).toBe(true);
    if (format !== 'json') expect(written).not.toMatch(/\u202e/);
  });

  test('ten thousand calls that differ make no endless document', () => {
    const written = render(format, thousands);
    if (format !== 'json') expect(written.length).toBeLessThan(600_000);
    if (format !== 'junit')
      expect(written).toContain(
        format === 'json' ? '"readTable:value:9800"' : 'more calls that differ',
      );
  });
});

describe('JSON', () => {
  const report = ten;
  const document = JSON.parse(render('json', report)) as JsonReport;

  test('has the documented fields', () => {
    expect(Object.keys(document)).toEqual([
      'format',
      'version',
      'title',
      'generatedAt',
      'decision',
      'reason',
      'backends',
      'gates',
      'stages',
      'dataChecks',
      'provenance',
      'next',
      'data',
    ]);
    expect(document).toMatchObject({
      format: 'changeover-report',
      version: 1,
      title: 'Shadow comparison',
      decision: 'HOLD',
    });
    expect(document.gates).toHaveLength(decideVerdict(report).gates.length);
  });

  test('holds all that was recorded', () => {
    expect(document.data).toEqual(JSON.parse(JSON.stringify(report.data)));
    expect(document.dataChecks).toEqual(report.dataChecks);
  });

  test('has a line for each backend and stage, in the order of the way', () => {
    expect(
      document.stages.slice(0, 4).map(({ backend, stage }) => `${backend} ${stage ?? ''}`),
    ).toEqual(['duckdb legacy', 'duckdb shadow', 'duckdb reverse', 'duckdb pooled']);
    const [legacy] = document.stages;
    expect(Object.keys(legacy ?? {})).toEqual([
      'backend',
      'stage',
      'calls',
      'failed',
      'compared',
      'match',
      'mismatch',
      'raced',
      'nondeterministic',
      'inconclusive',
      'shed',
      'legacyP50Ms',
      'legacyP99Ms',
      'pooledP50Ms',
      'pooledP99Ms',
    ]);
    expect(legacy).toMatchObject({ pooledP50Ms: null, pooledP99Ms: null });
    expect(legacy?.legacyP50Ms).toBeCloseTo(9.23, 2);
  });
});

describe('text', () => {
  test('opens with what to do', () => {
    expect(render('text').split('\n').slice(0, 3)).toEqual([
      'Shadow comparison, 2026-03-14 01:30:00 UTC',
      '',
      "HOLD: On sqlite birdstrikes at pooled, 1 comparison of 362 is a confirmed mismatch, of `execute`, and 1 other gate doesn't hold either: stay at this stage. The same is said of 7 other keys.",
    ]);
  });

  test('sets columns in line, numbers to the right', () => {
    expect(
      textTable(
        [{ title: 'name' }, { title: 'n', numeric: true }],
        [
          ['東京', '1'],
          ['a\nb', '12,345'],
        ],
      ),
    ).toEqual([
      'name             n',
      '──────────  ──────',
      '東京             1',
      'a⟨U+000A⟩b  12,345',
    ]);
    expect(['abc', 'é', 'e\u0301', '東', '🎬', ''].map(textWidth)).toEqual([3, 1, 1, 2, 2, 0]);
  });

  test('a table takes no more than the terminal has: names are cut in the middle, sentences at their end, verdicts never', () => {
    const columns = [
      { title: 'key', cut: 'middle' },
      { title: 'calls', numeric: true, spare: 1 },
      { title: 'gates' },
      { title: 'why', cut: 'end' },
    ] as const;
    const rows = [
      [`tenant-${'x'.repeat(40)}-0042`, '12', 'INCONCLUSIVE', 'it needs 39 more comparisons of it'],
      ['東京東京東京東京東京東京東京', '7', 'PROMOTE', 'All 12 gates hold'],
    ];
    expect(textTable(columns, rows, 60)).toEqual([
      'key                calls  gates         why',
      '─────────────────  ─────  ────────────  ────────────────────',
      'tenant-x…xxx-0042     12  INCONCLUSIVE  it needs 39 more co…',
      '東京東京…東京東京      7  PROMOTE       All 12 gates hold',
    ]);
    expect(textTable(columns, rows, 50).at(-1)).toBe('(no room here for: calls)');
    for (let width = 51; width < 140; width += 1) {
      const lines = textTable(columns, rows, width);
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(width);
      expect(lines.join('\n')).toMatch(/INCONCLUSIVE[^]*PROMOTE/);
    }
    expect(textTable(columns, rows).join('\n')).toContain('x'.repeat(40));
  });

  test('is as wide as the terminal and no wider in its tables', () => {
    const report = sampleReport({ mismatches: 10 });
    const written = renderReport(report, 'text', 100);
    const ruled = written.split('\n').filter((line) => line.startsWith('─'));
    expect(ruled.length).toBeGreaterThan(3);
    expect(Math.max(...ruled.map(textWidth))).toBeLessThanOrEqual(100);
    expect(written).toContain('(no room here for: ');
  });

  test('lists only the gates that do not hold', () => {
    expect(render('text')).toMatch(/^10 of 22 gates hold\. These don't:$/m);
    expect(render('text', none)).toMatch(/^15 of 15 gates hold$/m);
  });

  test('names the tables that are not as expected', () => {
    const report = none;
    const [first, ...others] = report.dataChecks ?? [];
    if (first === undefined) throw new Error('no data checks');
    const written = render('text', {
      ...report,
      dataChecks: [{ ...first, ok: false, found: '12 rows, beef' }, ...others],
    });
    expect(written).toMatch(/^Data checks: 23 of 24 tables are as expected$/m);
    expect(written).toMatch(/sqlite +titanic +data +1,000 +1000 rows, \w+ +12 rows, beef/);
  });
});

describe('Markdown', () => {
  test.each([
    ['a|b', 'a\\|b'],
    ['<b>&amp;', '&lt;b&gt;&amp;amp;'],
    ['*a* _b_ `c` ~d~', '\\*a\\* \\_b\\_ \\`c\\` \\~d\\~'],
    ['[a](b)', '\\[a\\](b)'],
    ['# head', '\\# head'],
    ['- item', '\\- item'],
    ['1. item', '1\\. item'],
    ['1.63 s', '1.63 s'],
    ['https://a.b www.c.d', 'https\\://a.b www\\.c.d'],
    ['back\\slash', 'back\\\\slash'],
    ['two\nlines', 'two⟨U+000A⟩lines'],
  ])('%j is written as %j', (text, written) => {
    expect(escapeMarkdown(text)).toBe(written);
  });

  test('mentions nobody', () => {
    expect(escapeMarkdown('@everyone')).not.toContain('@everyone');
  });

  test('every row of a table has as many cells as its head, whatever is in them', () => {
    const rows = render('md', odd)
      .split('\n')
      .filter((line) => line.startsWith('|'));
    const cells = (row: string | undefined): number =>
      (row ?? '').replaceAll(/\\./g, '').split('|').length;
    expect(rows.length).toBeGreaterThan(20);
    for (const [at, row] of rows.entries()) {
      if (/^\| -/.test(row)) expect([row, cells(row)]).toEqual([row, cells(rows[at - 1])]);
      else if (/^\| -/.test(rows[at - 1] ?? ''))
        expect([row, cells(row)]).toEqual([row, cells(rows[at - 1])]);
    }
  });

  test('shows the values of both legs side by side', () => {
    const head = '| row | column | legacy | pooled |\n| --- | --- | --- | --- |\n';
    const written = render('md');
    expect(written).toContain(head);
    expect(written.slice(written.indexOf(head) + head.length)).toMatch(
      /^\| 1 \| fare \| text of 4 \\#\w+ \| text of 4 \\#\w+ \|/,
    );
  });
});

describe('JUnit', () => {
  test('has one test case a gate, and a failure for each that does not hold', () => {
    const report = ten;
    const { gates } = decideVerdict(report);
    const written = render('junit', report);
    expect(written.match(/<testcase /g)).toHaveLength(gates.length);
    expect(written).toContain(
      '<testsuites name="Shadow comparison: HOLD" tests="22" failures="12" errors="0">',
    );
    expect(written).toContain(
      '<testcase name="birdstrikes pooled execute: mismatch == 0" classname="changeover.sqlite"><failure type="fail" ' +
        'message="1 comparison of 362 is a confirmed mismatch, of `execute`">No confirmed mismatch (sqlite birdstrikes, pooled, execute): ' +
        '0.28 % (at most 1.30 %), expected = 0 %, n = 362</failure>',
    );
    expect(written.match(/<failure /g)).toHaveLength(12);
  });

  test('fails a gate that can not be told, by another type', () => {
    const written = render('junit', { data: reportData([{ stage: 'legacy', calls: 3 }]) });
    expect(written).toContain('<failure type="inconclusive" message="nothing was compared">');
  });

  test('fails where there was nothing to ask', () => {
    expect(render('junit', empty)).toMatch(
      /tests="1" failures="1"[^]*<failure type="inconclusive" message="No gate was asked/,
    );
  });
});

describe('coverage', () => {
  test('adds up to the eligible calls', () => {
    const { totals } = reportData([
      {
        calls: 20,
        eligible: 18,
        sampled: 12,
        match: 5,
        mismatch: 1,
        shed: { deadline: 2, 'too-large': 1 },
      },
    ]);
    expect(coverageOf(totals)).toEqual({
      eligible: 18,
      notSampled: 6,
      sampled: 12,
      compared: 6,
      inFlight: 3,
      surplus: 0,
      shed: [
        { reason: 'deadline', count: 2 },
        { reason: 'too-large', count: 1 },
      ],
    });
  });

  test('says where counts are missing', () => {
    const { totals } = reportData([{ eligible: 5, sampled: 5, match: 7 }]);
    expect(coverageOf(totals)).toMatchObject({ inFlight: 0, surplus: 2 });
    expect(render('html', { data: reportData([{ eligible: 5, sampled: 5, match: 7 }]) })).toContain(
      '2 too many: part of the counts is missing',
    );
  });
});

test('of a single mismatch and a single sample left out it speaks in the singular', () => {
  const [group] = ten.data.sampleGroups;
  const [sample] = group?.samples ?? [];
  if (group === undefined || sample === undefined) throw new Error('a sample was expected');
  const only = { ...group, count: 1, samples: Array.from({ length: 4 }, () => sample) };
  const written = render('html', {
    data: { ...ten.data, sampleGroups: [only], samplesOverLimit: 1 },
  });
  for (const part of [
    '1 mismatch of 1 call by backend',
    '1 more sample is in the JSON report.',
    '1 more comparison was unlike the others',
  ]) {
    expect(written).toContain(part);
  }
});

test('a backend whose keys are all at legacy is asked nothing, unless there is no other', () => {
  const atLegacy = { backend: 'duckdb', stage: 'legacy', calls: 3 } as const;
  const both = { data: reportData([atLegacy, { stage: 'shadow', match: 3 }]) };
  expect(render('text', both)).toMatch(/^ {2}sqlite: INCONCLUSIVE/m);
  for (const [format, line] of [
    ['text', /^ {2}duckdb: /m],
    ['md', /^- \*\*duckdb/m],
    ['html', /class="name"><bdi>duckdb/],
  ] as const)
    expect(render(format, both)).not.toMatch(line);
  expect(render('text', { data: reportData([atLegacy]) })).toMatch(/^ {2}duckdb: INCONCLUSIVE/m);
});

test('a moment that is none does not stop the report', () => {
  const data = reportData([{ match: 1 }], {
    generatedAt: NaN,
    timeline: [{ at: Infinity, run: 'r', kind: 'stage', fields: { from: 'legacy', to: 'shadow' } }],
  });
  for (const format of reportFormats) expect(render(format, { data })).toContain('INCONCLUSIVE');
  expect(startMs).toBeGreaterThan(0);
});

describe('the rules', () => {
  const report = none;
  const formats: readonly ReportFormat[] = ['html', 'md', 'text'];
  test.each(formats)(
    'are in the %s report with where they hold, how often they mattered, and the dead ones',
    (format) => {
      const written = render(format, report).replaceAll('\\', '');
      for (const part of [
        'ignore-column column loaded_at',
        'titanic',
        '1,234',
        'tolerance column total relative 1e-9',
        'query',
        'dead: it was never needed',
        'its comparator threw in 2 comparisons',
      ])
        expect(written).toContain(part);
    },
  );

  test('are left out where there are none', () => {
    const without = { ...report, data: { ...report.data, rules: [] } };
    expect(render('html', without)).toContain('No rule lets the legs differ.');
    expect(render('text', without)).not.toContain('Rules');
  });
});
