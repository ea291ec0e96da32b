// A program with a bridge, as a process of its own: calls one dataset without a pause and counts the answers by leg.
// It writes one line of JSON for each call that failed, for each change of leg, and at its end; it ends on SIGTERM.
import { createStorageBridge } from 'changeover';

const [basePath = '', flagsFile = '', dataset = '', ledger = ''] = process.argv.slice(2);
const bridge = createStorageBridge({ basePath, flagsFile, ledger: ledger === 'ledger' });
const storage = bridge.storage('sqlite');
let answering = '';
const ending = new AbortController();
let calls = 0;

process.on('SIGTERM', () => { ending.abort(); });

function tell(line: object): void {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);
}

/** The leg by what the recorder counted: the stage of the last call's cell. */
function answeringStage(before: ReadonlyMap<string, number>): string {
  for (const [stage, count] of counts()) if (count > (before.get(stage) ?? 0)) return stage;
  return answering;
}

function counts(): Map<string, number> {
  return new Map(['legacy', 'shadow', 'reverse', 'pooled']
    .map((stage) => [stage, bridge.recorder.cell('sqlite', dataset, 'readTable', stage as 'legacy').calls]));
}

if (!await storage.datasetExists(dataset)) {
  await storage.createDataset(dataset);
  await storage.writeTable(dataset, 'train', [{ id: 1, name: 'Owen' }, { id: 2, name: 'Laina' }]);
}
while (!ending.signal.aborted) {
  const before = counts();
  try {
    const rows = await storage.readTable(dataset, 'train');
    if (rows.length !== 2) tell({ kind: 'wrong', rows: rows.length });
  } catch (error) {
    tell({ kind: 'failed', message: String(error) });
  }
  calls += 1;
  const stage = answeringStage(before);
  if (stage !== answering) {
    answering = stage;
    tell({ kind: 'stage', stage });
  }
  // Timers and signals have their turn.
  await new Promise<void>((resolve) => { setImmediate(resolve); });
}
await bridge.close();
tell({ kind: 'end', calls });
