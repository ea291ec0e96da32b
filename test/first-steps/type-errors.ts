// Prints the type errors of the files that a configuration names, and not those of what they import: these are
// `npm run typecheck`'s to find, and take longer.
import ts from 'typescript';

const [, , path = ''] = process.argv;
const print = (found: readonly ts.Diagnostic[]): void => {
  process.stdout.write(
    ts.formatDiagnostics(found, {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => process.cwd(),
      getNewLine: () => '\n',
    }),
  );
};
const config = ts.getParsedCommandLineOfConfigFile(path, undefined, {
  ...ts.sys,
  onUnRecoverableConfigFileDiagnostic: (found) => {
    print([found]);
  },
});
if (config === undefined || config.fileNames.length === 0) throw new Error(`no files in ${path}`);
const program = ts.createProgram(config.fileNames, config.options);
print([...config.errors, ...program.getOptionsDiagnostics()]);
for (const name of config.fileNames) {
  const file = program.getSourceFile(name);
  print([...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
}
