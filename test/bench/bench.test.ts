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

describe('npm run bench', () => {
  test('lists a benchmark for each row of the table', async () => {
    const { code, stdout } = await bench('--list');
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toEqual([
      'router-overhead',
      'caller-latency-at-shadow',
      'one-read',
      'concurrent-reads',
      'mixed-load',
      'memory-held',
      'postgres-peers',
      'sqlite-peers',
      'duckdb-peers',
      'digest-cost',
      'verify-cost',
      'pool-acquire',
      'flag-change',
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
      expect({ code, stderr: stderr.includes('FAILED') }).toEqual({ code: 0, stderr: false });
      const figures = JSON.parse(stdout) as Record<string, unknown>[];
      expect(figures).toHaveLength(7);
      for (const figure of figures) {
        expect(Object.keys(figure)).toEqual(['name', 'figure', 'unit', 'target', 'holds']);
        expect(figure).toMatchObject({
          name: expect.any(String),
          figure: expect.any(Number),
          holds: expect.any(Boolean),
        });
        const [, sign, target] = /^([≤≥]) (.+)$/.exec(String(figure['target'])) ?? [];
        const value = figure['figure'] as number;
        expect(figure['holds']).toBe(
          sign === '≤' ? value <= Number(target) : value >= Number(target),
        );
      }
      const file = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8')) as {
        machine: object;
        cases: { name: string }[];
      };
      expect(file.machine).toMatchObject({ cores: expect.any(Number), node: process.version });
      expect(file.cases.map(({ name }) => name)).toEqual(['router-overhead', 'digest-cost']);
      const page = readFileSync(join(out, 'bench.html'), 'utf8');
      expect(page).toContain('LaunchDarkly');
      expect(page).not.toMatch(/<script|(?:src|href)="(?!#|data:)/);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test.each([
    [['nothing-like-it'], 'There is no benchmark "nothing-like-it"'],
    [['--format', 'xml'], '--format takes text or json, found "xml".'],
    [['--loud'], "Unknown option '--loud'"],
  ])('refuses %j with exit code 2 and says why', async (args, message) => {
    const { code, stdout, stderr } = await bench(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});
