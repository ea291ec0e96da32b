// What is asked for by the name of a package stays outside, as Next.js leaves `serverExternalPackages` out of a server's bundle.
const leavePackagesOutside = ({ request }, callback) =>
  /^[./]/.test(request) ? callback() : callback(null, `import ${request}`);

const bundle = (name, externals) => ({
  name,
  mode: 'production',
  target: 'node22',
  context: import.meta.dirname,
  entry: './server.js',
  externals,
  experiments: { outputModule: true },
  optimization: { minimize: false },
  output: {
    path: `${import.meta.dirname}/${name}`,
    filename: 'server.mjs',
    module: true,
    chunkFormat: 'module',
    library: { type: 'module' },
  },
});

export default [
  bundle('webpack', { 'better-sqlite3': 'commonjs better-sqlite3' }),
  bundle('webpack-outside', leavePackagesOutside),
];
