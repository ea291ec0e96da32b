import { Argument, type Command, type Option } from 'commander';
import { type CommandContext, type CommonOptions, groups, withFormat } from './command-context.ts';
import { exitCodes } from './command-error.ts';
import type { Migration } from './migration.ts';
import { examples } from './help-texts.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

/** `completion`, and the hidden command that a shell asks for what may come next. */
export function addCompletion(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .helpGroup(groups.other)
    .description('a script that lets your shell complete changeover by Tab')
    .addArgument(new Argument('<shell>', shells.join(', ')).choices(shells))
    .addHelpText('after', examples.completion)
    .action((shell: (typeof shells)[number]) => {
      context.streams.stdout.write(scripts[shell]);
    });
  withFormat(program.command('complete', { hidden: true }))
    .argument('[words...]')
    .allowUnknownOption()
    .action(async (words: readonly string[], options: CommonOptions) => {
      const found = await candidates(program, context, words, options);
      const last = words.at(-1) ?? '';
      context.streams.stdout.write(
        found
          .filter((name) => name.startsWith(last))
          .map((name) => `${name}\n`)
          .join(''),
      );
      context.exitCode = exitCodes.done;
    });
}

/** What may stand in the place of the last word. */
async function candidates(
  program: Command,
  context: CommandContext,
  words: readonly string[],
  options: CommonOptions,
): Promise<string[]> {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? '';
  let command = program;
  const rest = [...before];
  for (let next = child(command, rest[0]); next !== undefined; next = child(command, rest[0])) {
    command = next;
    rest.shift();
  }
  const option = command.options.find(({ long }) => long === before.at(-1));
  if (option !== undefined && takesValue(option)) return [...(option.argChoices ?? [])];
  if (last.startsWith('-')) return [...command.options.flatMap(({ long }) => long ?? []), '--help'];
  if (command.commands.length > 0) return visible(command).map((one) => one.name());
  const given = positional(command, rest);
  const argument = command.registeredArguments[given.length];
  switch (argument?.name()) {
    case 'backend':
      return await known(context, options, (migration) => migration.backends);
    case 'key':
      return await known(context, options, (migration) => migration.keys(given[0] ?? ''));
    case 'operation':
      return await known(context, options, (migration) => migration.operations(given[0] ?? ''));
    default:
      return [...(argument?.argChoices ?? [])];
  }
}

async function known(
  context: CommandContext,
  options: CommonOptions,
  namesIn: (migration: Migration) => string[],
): Promise<string[]> {
  let names: string[] = [];
  try {
    await context.withMigration(options, (migration) => {
      names = namesIn(migration);
    });
  } catch {
    // A shell that completes has no place for messages.
  }
  return names;
}

function child(command: Command, name: string | undefined): Command | undefined {
  return name === undefined ? undefined : visible(command).find((one) => one.name() === name);
}

function visible(command: Command): readonly Command[] {
  return command.commands.filter((one) => one.name() !== 'complete');
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** The words that are no options and no option's value. */
function positional(command: Command, words: readonly string[]): string[] {
  return words.filter((word, at) => {
    const before = command.options.find(({ long }) => long === words[at - 1]);
    return !word.startsWith('-') && (before === undefined || !takesValue(before));
  });
}

const scripts: Readonly<Record<(typeof shells)[number], string>> = {
  bash: `# changeover completion bash >> ~/.bashrc
_changeover() {
  local IFS=$'\\n'
  COMPREPLY=($(changeover complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _changeover changeover
`,
  zsh: `#compdef changeover
# changeover completion zsh > "\${fpath[1]}/_changeover", or: eval "$(changeover completion zsh)"
_changeover() {
  local -a found
  found=("\${(@f)$(changeover complete -- "\${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)}")
  if [[ -n "\${found[*]}" ]]; then compadd -a found; else _files; fi
}
compdef _changeover changeover
`,
  fish: `# changeover completion fish > ~/.config/fish/completions/changeover.fish
function __changeover_complete
  set -l words (commandline -opc) (commandline -ct)
  changeover complete -- $words[2..-1] 2>/dev/null
end
complete -c changeover -a '(__changeover_complete)'
`,
};
