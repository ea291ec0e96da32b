import { describe, expect, test } from '@jest/globals';
import { ConnectionError } from '@changeover/engines/api';
import type { Job } from '../job.ts';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import { resolveCommit } from './resolve-commit.ts';
import { fieldsOf, ScriptedSession } from './test-kit/scripted-dataset.ts';

const cause = new ConnectionError('lost');
const question: Job = { kind: 'commitOutcome', transaction: { id: '7', server: '1' } };

let asked: Job[];
let pausesMs: number[];

async function resolved(answer: () => Promise<unknown>, canBeAsked = true): Promise<unknown> {
  const session = new ScriptedSession();
  if (canBeAsked) session.commitOutcome = () => question;
  asked = [];
  pausesMs = [];
  const ask = (job: Job): Promise<unknown> => {
    asked.push(job);
    return answer();
  };
  const pause = async (ms: number): Promise<void> => {
    pausesMs.push(ms);
  };
  try {
    await resolveCommit({ session, cause, fields: fieldsOf() }, ask, pause);
    return 'applied';
  } catch (error) {
    return error;
  }
}

describe('a commit whose answer was lost', () => {
  test('has been applied where the server says so', async () => {
    expect(await resolved(async () => 'committed')).toBe('applied');
    expect(asked).toEqual([question]);
  });

  test.each([
    ['aborted', ConnectionError],
    ['committed', undefined],
  ])(
    'is asked again while the server has not heard that the connection is gone: %s',
    async (outcome, error) => {
      const answers = ['in progress', 'in progress', outcome];
      const told = await resolved(async () => answers.shift());
      if (error === undefined) expect(told).toBe('applied');
      else expect(told).toBeInstanceOf(error);
      expect([asked.length, pausesMs]).toEqual([3, [10, 30]]);
    },
  );

  test('may be made again where the server says that it was not applied', async () => {
    const error = await resolved(async () => 'aborted');
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ retryable: true, dataset: 'orders', cause });
  });

  test.each([
    ['still runs', async () => 'in progress'],
    ['has forgotten it', async () => null],
    ['is another one than it ran on', async () => 'committed by another server'],
    ['can not be asked', () => Promise.reject(new Error('no server'))],
  ])('is unknown where the server %s', async (_why, answer) => {
    const error = await resolved(answer);
    expect(error).toBeInstanceOf(CommitUnknownError);
    expect(error).toMatchObject({ cause });
    expect(pausesMs.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(400);
  });

  test('is unknown where the engine has nobody to ask', async () => {
    expect(await resolved(async () => 'committed', false)).toBeInstanceOf(CommitUnknownError);
    expect(asked).toEqual([]);
  });
});
