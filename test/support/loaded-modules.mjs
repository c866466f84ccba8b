// For NODE_OPTIONS=--import: the address of every module that a program loads with `import` goes to the file that
// LOADED_MODULES names, one a line.
import { register } from 'node:module';

register(
  `data:text/javascript,${encodeURIComponent(`
  import { appendFileSync } from 'node:fs';
  export function load(url, context, next) {
    appendFileSync(${JSON.stringify(process.env.LOADED_MODULES)}, url + '\\n');
    return next(url, context);
  }
`)}`,
);
