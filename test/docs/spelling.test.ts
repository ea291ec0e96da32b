import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';
import { pageGlobs } from './pages.ts';

const texts = globSync([...pageGlobs, 'packages/*/src/**/*.ts'], { cwd: root }).sort();

/** The words that people misspell most, as they misspell them. */
const misspelt = new RegExp(
  `\\b(${[
    'accross acheive(d|s)? accomodate adress(es|ed)? agressive(ly)? alot alltogether apparant(ly)? arguement(s)? asyncronous(ly)?',
    'begining beleive calender catched commited comited compatability concurency consistant(ly)? convinient(ly)? corespond(s|ing)?',
    'definately dependan(t|cy|cies) desciption diffrent(ly)? dissapear(s|ed)? doesnt dont eachother enviroment(s)? existance',
    'exept explicitely faild finaly forhead fourty fullfil(l)?(s|ed)? garantee(s|d)? gaurantee(s|d)? grammer greatful happend(s)?',
    'immediatly implementaion independant(ly)? initialise(d|s)? inital(ly)? intermitent isnt knowlege lenght libary maintainance',
    'millisecound(s)? mispell(ed|ing)? neccessary necesary nessecary noticable occassion(s|ally)? occured occuring occurence(s)?',
    'omited paralel(l)? parralel perfomance persistant(ly)? posession possibilty postgressql prefered preferance priviledge(s)?',
    'probaly proccess(es|ed)? propery publically recieve(d|s)? recomend(ed|s)? refered referrence(s)? relevent',
    'responce(s)? retreive(d|s)? seperate(d|s|ly)? shold similiar(ly)? succesful(ly)? successfull(y)? supress(es|ed)? suprise(d|s)?',
    'synchronus(ly)? teh thier threshhold(s)? throught tommorow transfered truely unneccessary untill usefull wether wich wierd',
    'withing writen wont',
  ]
    .join(' ')
    .split(' ')
    .join('|')})\\b`,
  'gi',
);
/** A word twice, which an eye reads as one. What may stand twice is said twice on purpose. */
const twice = /\b(?!that\b|had\b)([a-z]{2,}) \1\b/gi;

/** What people read: a page without its programs, and of a source its comments. */
function prose(path: string): string {
  const text = readFileSync(join(root, path), 'utf8');
  if (path.endsWith('.md'))
    return text.replaceAll(/^```[^]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '…');
  return [...text.matchAll(/\/\*\*[^]*?\*\/|\/\/ .*$/gm)]
    .map(([comment]) => comment.replaceAll(/`[^`]*`/g, '…').replaceAll(/\n\s*\* ?/g, ' '))
    .join('\n');
}

test('there are texts to look at', () => {
  expect(texts).toEqual(expect.arrayContaining(['README.md', 'packages/core/src/errors.ts']));
});

test('no page and no comment has a word that is often misspelt, or a word twice', () => {
  const found = texts.flatMap((path) =>
    [...prose(path).matchAll(misspelt), ...prose(path).matchAll(twice)].map(
      ([words]) => `${path}: ${words}`,
    ),
  );
  expect(found).toEqual([]);
});
