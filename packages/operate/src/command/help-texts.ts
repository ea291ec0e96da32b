/** What `changeover --help` says first: enough to know what the words mean. */
export const synopsis: string = `Operates a migration from a legacy storage layer to a pooled one.

Each key (dataset, tenant) of each backend, which is a bridge by its name, is on a stage:
  legacy   the legacy leg answers
  shadow   the legacy leg answers, the pooled leg is its shadow, compared
  reverse  the pooled leg answers, the legacy leg is its shadow, compared
  pooled   the pooled leg answers

A feature flag asks for the stage. A hold, by a guardrail or a person, keeps a
key back whatever the flag asks. Changes go to the ledger in the comparison
store; all programs that share the store follow within half a second, within two
where it is a database.`;

/** Examples below each command's help, by command. */
export const examples: Readonly<
  Record<
    | 'changeover'
    | 'status'
    | 'explain'
    | 'history'
    | 'mismatches'
    | 'reproduce'
    | 'console'
    | 'promote'
    | 'hold'
    | 'rollback'
    | 'kill'
    | 'resume'
    | 'flags'
    | 'flagsExample'
    | 'flagsValidate'
    | 'flagsPlan'
    | 'flagsApply'
    | 'flagsPull'
    | 'report'
    | 'gate'
    | 'finish'
    | 'adopt'
    | 'completion',
    string
  >
> = {
  changeover: `
Why is a key where it is?
  $ changeover explain notes inbox
Move it one stage forward, or back to legacy:
  $ changeover promote notes inbox --reason "a week without a mismatch"
  $ changeover rollback notes inbox --reason "slow since 03:10"
Something is wrong and nobody knows what: put a whole backend back, or all.
  $ changeover kill notes --reason "pager"
  $ changeover kill --all --reason "pager"

Exit codes: 0 done, 1 error, 2 wrong usage, 3 inconclusive, 99 a gate failed.
Colour is used on a terminal alone, and not where NO_COLOR is set.`,
  status: `
Examples:
  $ changeover status
  $ changeover status --format json --base-path /var/lib/app/datasets`,
  explain: `
Examples:
  $ changeover explain notes inbox
  $ changeover explain notes inbox add    a limit may hold one operation back`,
  history: `
Examples:
  $ changeover history
  $ changeover history notes inbox --format json`,
  mismatches: `
Mismatches are one where backend, key, operation, shape and class are; the most frequent is first.

Examples:
  $ changeover mismatches
  $ changeover mismatches notes inbox
  $ changeover mismatches --format json`,
  reproduce: `
It makes the call that a mismatch was recorded with, once on each leg, and again where they differ, and judges as
the bridge does. Reads alone: a write is never made again. Nothing is counted.

Values are kept only where the program was started with CHANGEOVER_SAMPLE_VALUES=raw (sampleValues: 'raw').
Where they are not, and for a bridge over an object or a handle of a program's own, the programs that run on the
store are asked to do it, on whatever host: each has the calls of its last 100 mismatches in memory. Within it:
await bridgeOf(object).reproduce('k3f9a2xz')

Examples:
  $ changeover mismatches notes inbox
  $ changeover reproduce k3f9a2xz
  $ changeover reproduce k3f --show-values --format json

Exit codes: 0 the legs agree, 99 they differ, 3 can not be told (a write, values that are not kept, a race),
1 error, 2 wrong usage.`,
  console: `
It prints an address to open in a browser on this machine. The address holds a token: changes need it.

Examples:
  $ changeover console
  $ changeover console --port 0 --read-only    any free port, and no buttons`,
  hold: `
It goes no further than it is until changeover resume, whatever the flag asks.

Examples:
  $ changeover hold notes inbox --reason "quarter end"
  $ changeover hold notes inbox --at shadow --reason "look at it first"`,
  rollback: `
It needs neither the flags nor the gates, and holds until changeover resume.
All keys of a backend go back by changeover kill.

Examples:
  $ changeover rollback notes inbox --reason "slow since 03:10"
  $ changeover rollback notes inbox --reason "drill" --plan`,
  kill: `
It needs neither the flags nor the gates, and holds until changeover resume.

Examples:
  $ changeover kill notes --reason "pager"
  $ changeover kill --all --reason "pager"
  $ changeover resume notes --reason "it was the network"`,
  resume: `
Without a key it ends changeover kill; a key that is held by itself stays held.

Examples:
  $ changeover resume notes inbox --reason "the fix is out"
  $ changeover resume notes --reason "the fix is out"`,
  promote: `
Where the flags file doesn't ask for the next stage yet, a strategy for this key is written into it.

Examples:
  $ changeover promote notes inbox --reason "a week without a mismatch" --plan
  $ changeover promote notes inbox --reason "a week without a mismatch"`,
  flags: `
Examples:
  $ changeover flags example notes > flags/next.json
  $ changeover flags validate
  $ changeover flags plan flags/next.json
  $ changeover flags apply flags/next.json --reason "10 % of notes to shadow"
  $ changeover flags pull --reason "the server's flags, for when it is away"`,
  flagsExample: `
Examples:
  $ changeover flags example notes > flags/next.json`,
  flagsValidate: `
Examples:
  $ changeover flags validate
  $ changeover flags validate flags/next.json --format json`,
  flagsPlan: `
Examples:
  $ changeover flags plan flags/next.json`,
  flagsApply: `
Where UNLEASH_URL names a flag server, it gets what it lacks of the file: flags, strategies (in one step
a flag, behind the holds), segments, dependencies. That needs UNLEASH_ADMIN_TOKEN; --plan lists the steps.

Examples:
  $ changeover flags apply flags/next.json --reason "10 % of notes" --plan
  $ changeover flags apply flags/next.json --reason "10 % of notes to shadow"`,
  flagsPull: `
It needs UNLEASH_URL and UNLEASH_TOKEN, and never changes the server.

Examples:
  $ changeover flags pull --reason "the server's flags, for when it is away"
  $ changeover flags pull --output flags/pulled.json --reason "to look at"`,
  completion: `
Examples:
  $ changeover completion bash >> ~/.bashrc
  $ changeover completion zsh > "\${fpath[1]}/_changeover"
  $ changeover completion fish > ~/.config/fish/completions/changeover.fish`,
  report: `
Examples:
  $ changeover report
  $ changeover report --format html --output report.html`,
  finish: `
Exit codes: 0 ready, 99 not yet, 3 can't be told. A TODO that is left in a bridge is not yet.

Examples:
  $ changeover finish notes
  $ changeover finish notes --after 14d --source src --format json`,
  adopt: `
Examples:
  $ changeover adopt src/db.ts --dry-run
  $ changeover adopt src/db.ts`,
  gate: `
Examples:
  $ changeover gate notes && changeover promote notes inbox --reason "it holds"
  $ changeover gate --gates flags/gates.json --format junit > gates.xml`,
};
