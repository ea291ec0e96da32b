import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '..', '..');

test('a campaign that is told to end says what ran so far and ends with a code of its own, without a crash', async () => {
  const campaign = spawn(
    process.execPath,
    [
      '--conditions=@changeover/source',
      join(root, 'scripts', 'faults.ts'),
      '--seeds',
      '20',
      '--format',
      'json',
    ],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let told = '';
  let answered = '';
  campaign.stdout.setEncoding('utf8').on('data', (text: string) => {
    answered += text;
  });
  campaign.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (!told.includes('seed 1:') && (told + text).includes('seed 1:')) campaign.kill('SIGTERM');
    told += text;
  });
  const [code, signal] = (await once(campaign, 'close')) as [number | null, string | null];
  expect({ code, signal, told: code === 3 ? '' : told }).toEqual({
    code: 3,
    signal: null,
    told: '',
  });
  const answer = JSON.parse(answered) as {
    seeds: number;
    failed: unknown[];
    calls: number;
    faults: number;
  };
  expect(answer.seeds).toBe(1);
  expect(answer.calls).toBeGreaterThan(0);
  expect(answer.faults).toBeGreaterThan(0);
  expect(told).toContain('told to end by SIGTERM');
  expect(told).not.toMatch(/\n\s+at /);
});
