import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function bench(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--conditions=@changeover/source',
        '--disable-warning=ExperimentalWarning',
        join(root, 'scripts/bench.ts'),
        ...args,
      ],
      { env: { ...process.env, NODE_OPTIONS: '' } },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data: Buffer) => {
      stdout += data.toString();
    });
    child.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

function expectedVerdict(sign: string, target: number, low: number, high: number): string {
  const [within, beyond] =
    sign === '≤' ? [high <= target, low > target] : [low >= target, high < target];
  return within ? 'held' : beyond ? 'missed' : "can't tell";
}

describe('npm run bench', () => {
  test('lists a benchmark for each row of the table', async () => {
    const { code, stdout } = await bench('--list');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'router-overhead',
      'create-bridge',
      'guarantee-costs',
      'adapters',
      'caller-latency-at-shadow',
      'one-read',
      'concurrent-reads',
      'one-key',
      'mixed-load',
      'memory-held',
      'postgres-peers',
      'sqlite-peers',
      'duckdb-peers',
      'digest-cost',
      'verify-cost',
      'pool-acquire',
      'flag-change',
      'fleet-cost',
      'start-up',
      'install-size',
      'storage-tests',
      'growth',
    ]);
  });

  test('runs what it is asked for, prints JSON alone, and writes a page and a file', async () => {
    const out = mkdtempSync(join(tmpdir(), 'changeover-bench-test-'));
    try {
      const { code, stdout, stderr } = await bench(
        'router-overhead',
        'digest-cost',
        '--quick',
        '--format',
        'json',
        '--out',
        out,
      );
      expect(stderr).not.toContain('FAILED');
      const figures = JSON.parse(stdout) as Record<string, unknown>[];
      expect(figures).toHaveLength(7);
      for (const figure of figures) {
        expect(Object.keys(figure)).toEqual([
          'case',
          'key',
          'name',
          'figure',
          'unit',
          'interval',
          'rounds',
          'target',
          'verdict',
        ]);
        const [, sign = '', target = ''] = /^([≤≥]) (.+)$/.exec(String(figure['target'])) ?? [];
        const [low, high] = figure['interval'] as [number, number];
        expect(figure['rounds']).toBeGreaterThanOrEqual(3);
        expect(low).toBeLessThanOrEqual(figure['figure'] as number);
        expect(high).toBeGreaterThanOrEqual(figure['figure'] as number);
        expect(figure['verdict']).toBe(expectedVerdict(sign, Number(target), low, high));
      }
      const verdicts = figures.map(({ verdict }) => verdict);
      expect(code).toBe(verdicts.includes('missed') ? 3 : verdicts.includes("can't tell") ? 4 : 0);
      const file = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8')) as {
        run: { machine: object; quick: boolean; date: string; commit: string };
        cases: { name: string; figures: object[] }[];
      };
      expect(file.run).toMatchObject({
        quick: true,
        date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
        commit: expect.any(String),
      });
      expect(file.run.machine).toMatchObject({ cores: expect.any(Number), node: process.version });
      expect(file.cases.map(({ name }) => name)).toEqual(['router-overhead', 'digest-cost']);
      const page = readFileSync(join(out, 'bench.html'), 'utf8');
      expect(page).toContain('LaunchDarkly');
      expect(page).not.toMatch(/<script|(?:src|href)="(?!#|data:)/);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test('teaches what the verdicts and the exit codes mean', async () => {
    const { code, stdout } = await bench('--help');
    expect(code).toBe(0);
    for (const word of [
      'held',
      'missed',
      "can't tell",
      '--write-docs',
      'Exit codes: 0',
      'start-up',
    ])
      expect(stdout).toContain(word);
  });

  test.each([
    [['nothing-like-it'], 'There is no benchmark "nothing-like-it"'],
    [['--format', 'xml'], '--format takes text or json, found "xml".'],
    [['router-overhead', '--write-docs'], '--write-docs takes no names'],
    [['docs', 'growth'], 'docs measures nothing'],
    [['--loud'], "Unknown option '--loud'"],
  ])('refuses %j with exit code 2 and says why', async (args, message) => {
    const { code, stdout, stderr } = await bench(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});
