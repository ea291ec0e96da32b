import { promisify } from 'node:util';
import webpack from 'webpack';
import configurations from './webpack.config.js';

const stats = await promisify(webpack)(configurations);
console.log(stats.toString({ all: false, errors: true, warnings: true }));
if (stats.hasErrors()) process.exitCode = 1;
