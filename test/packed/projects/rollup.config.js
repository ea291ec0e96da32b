import commonjs from '@rollup/plugin-commonjs';
import { nodeResolve } from '@rollup/plugin-node-resolve';

export default {
  input: 'server.js',
  output: { dir: 'rollup', format: 'esm' },
  external: ['better-sqlite3', 'node:sqlite'],
  plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs()],
};
