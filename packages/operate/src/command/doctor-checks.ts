import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  checkFlags,
  openStageSource,
  readFlagsText,
  type ParsedSettings,
  readRecordings,
  silentLogger,
  tryStoreFile,
  typedWord,
} from '@changeover/bridge';
import type { DoctorCheck, DoctorFinding } from './doctor-check.ts';
import { readPlace } from './migration.ts';
import { serverAnswer } from './server-answer.ts';
import { readableGates } from './usable-gates.ts';

const oldestNode = [22, 13] as const;

/** What any bridge needs, in the order in which one thing needs another. */
export const doctorChecks: readonly DoctorCheck[] = [
  { name: 'Node', run: () => [checkNode(process.versions.node)] },
  { name: 'flags', run: async ({ place }) => [await checkFlagSource(place)] },
  { name: 'gates', run: ({ place }) => [checkGates(place)] },
  { name: 'store', run: ({ place }) => [checkStore(place)] },
  { name: 'ledger', run: async ({ place }) => [await checkLedger(place)] },
];

/** @param version `process.versions.node`. */
export function checkNode(version: string): DoctorFinding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldest, least] = oldestNode;
  const isNew = major > oldest || (major === oldest && minor >= least);
  return {
    check: 'Node',
    status: isNew ? 'ok' : 'problem',
    found: version,
    todo: isNew ? null : `use Node ${oldestNode.join('.')} or newer`,
  };
}

async function checkFlagSource(place: ParsedSettings): Promise<DoctorFinding> {
  if (place.unleashUrl === undefined) return checkFlagsFile(place.flagsFile);
  const source = openStageSource(place, silentLogger);
  try {
    await serverAnswer(source);
    const { source: origin, lastError, backends } = source.status();
    if (origin === 'server') {
      return backends.length === 0
        ? {
            check: 'flags',
            status: 'warning',
            found: `${place.unleashUrl} answers and has no flag of a bridge`,
            todo: 'put a file in use there: changeover flags apply FILE',
            next: [`changeover flags apply ${typedWord(place.flagsFile)} --reason "..."`],
          }
        : ok('flags', `${place.unleashUrl} answers: ${backends.join(', ')}`);
    }
    return {
      check: 'flags',
      status: 'problem',
      found: `${place.unleashUrl} gave no flags: ${lastError?.message ?? 'no answer within 3 s'}`,
      todo: 'check UNLEASH_URL (it ends in /api), UNLEASH_TOKEN (a client token) and the network; until then the flags file holds',
    };
  } finally {
    await source.close();
  }
}

function checkFlagsFile(path: string): DoctorFinding {
  if (!existsSync(path)) {
    return {
      check: 'flags',
      status: 'warning',
      found: `there is no file ${path}: every call goes to legacy`,
      todo: 'npx changeover init (or name yours: --flags FILE, CHANGEOVER_FLAGS)',
      next: ['changeover init'],
    };
  }
  const validate = `changeover flags validate ${typedWord(path)}`;
  let problems: readonly string[];
  try {
    const document: unknown = JSON.parse(readFlagsText(path));
    problems = checkFlags(document, 'file').problems.map(({ message }) => message);
  } catch (error) {
    return {
      check: 'flags',
      status: 'problem',
      found: messageOf(error),
      todo: validate,
      next: [validate],
    };
  }
  return problems.length === 0
    ? ok('flags', `${path} is valid`)
    : {
        check: 'flags',
        status: 'problem',
        found: `${path} is refused: ${problems[0] ?? ''}`,
        todo: validate,
        next: [validate],
      };
}

function checkGates(place: ParsedSettings): DoctorFinding {
  const gates = readableGates(place);
  if (typeof gates === 'string') {
    return {
      check: 'gates',
      status: 'problem',
      found: gates,
      todo: 'mend the file: until then no key steps forward',
    };
  }
  return ok('gates', place.gatesFile ?? 'the default ones');
}

function checkStore({ storePath, ownFolder }: ParsedSettings): DoctorFinding {
  const todo = 'let this user write there, or name another place: --store FILE, CHANGEOVER_STORE';
  if (!existsSync(storePath)) {
    const above = existing(dirname(storePath));
    const mayMake = canWrite(above) && (ownFolder !== undefined || above === dirname(storePath));
    return mayMake
      ? ok('store', `${storePath} is made by the first program that uses the bridge`)
      : { check: 'store', status: 'problem', found: `${storePath} can't be made`, todo };
  }
  try {
    const version = tryStoreFile(storePath);
    const { runs } = readRecordings(storePath);
    return ok(
      'store',
      `${storePath} can be written, schema version ${String(version)}, ${String(runs.length)} runs recorded`,
    );
  } catch (error) {
    return {
      check: 'store',
      status: 'problem',
      found: `${storePath}: ${messageOf(error)}`,
      todo,
    };
  }
}

async function checkLedger(place: ParsedSettings): Promise<DoctorFinding> {
  const where =
    place.ledgerUrl === undefined ? "the store's file" : 'the database of CHANGEOVER_STORE';
  let read: Awaited<ReturnType<typeof readPlace>>;
  try {
    read = await readPlace(place);
  } catch (error) {
    read = { ledger: [], ledgerError: messageOf(error), recordings: undefined };
  }
  if (read.ledgerError === undefined)
    return ok('ledger', `in ${where}, ${String(read.ledger.length)} lines`);
  return {
    check: 'ledger',
    status: 'problem',
    found: `in ${where}, which can't be read: ${read.ledgerError}`,
    todo: 'reach it, or name another: CHANGEOVER_STORE; programs that start meanwhile stay on legacy',
  };
}

/** The nearest folder that is there. */
function existing(path: string): string {
  for (let at = path; ; at = dirname(at)) if (existsSync(at) || dirname(at) === at) return at;
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function ok(check: string, found: string): DoctorFinding {
  return { check, status: 'ok', found, todo: null };
}

function messageOf(error: unknown): string {
  return String((error as { readonly message?: unknown } | null)?.message ?? error);
}
