import { adminApp, checkCallback } from './application-context.js';
import { isArray, isEmpty, text, upperKeys, type Params } from './php-encoding.js';
import { messengerRefusal, placementKind, placementNames, type PlacementKind } from './placement-kinds.js';
import type { PlacementRow } from './placements.js';
import { argumentMissing, RestError } from './rest-error.js';
import type { RestContext, RestMethod, RestMethods } from './rest-method.js';

const WORDS = ['TITLE', 'DESCRIPTION', 'GROUP_NAME'] as const;

/** rest/lib/api/placement.php */
export const PLACEMENT_METHODS: RestMethods = {
  'placement.bind': placement(bind),
  'placement.unbind': placement(unbind),
  'placement.get': placement((_params, context) => context.portal.placements.of(adminApp(context)).map(rowItem)),
  'placement.list': placement(list),
};

function placement(run: RestMethod['run']): RestMethod {
  return { scopes: ['placement'], appOnly: true, run };
}

/** No upsert: another title is unbinding and binding anew. */
function bind(params: Params, context: RestContext): true | Params {
  const app = adminApp(context);
  const { portal } = context;
  const name = nameIn(params, 'The placement code is not specified');
  const handler = text(params['HANDLER']);
  if (name === 'DEFAULT') throw argumentMissing('The placement code has an incorrect value');
  if (handler === '') throw argumentMissing('The URL of the placement handler is not specified');
  checkCallback(handler);
  const kind = kindFor(name, context);
  if (kind === undefined) throw new RestError(400, 'ERROR_PLACEMENT_NOT_FOUND', 'Placement not found');
  const options = optionsOf(params['OPTIONS'], kind);
  if (Number(text(params['USER_ID'])) > 0)
    throw new RestError(400, 'ERROR_PLACEMENT_USER_MODE', 'User mode is not available.');
  const refusal = messengerRefusal(name, options);
  if (refusal) return refusal;
  if (portal.placements.of(app, name).some((row) => row.handler === handler))
    throw new RestError(400, 'ERROR_CORE', 'Unable to set placement handler: Handler already binded');
  const words = wordsOf(params, portal.language);
  portal.placements.rows.push({ id: portal.nextId(), app, placement: name, handler, userId: 0, options, words });
  return true;
}

/** Each row counts twice: once as it is found, once as it is deleted. Without a handler all of the place go. */
function unbind(params: Params, context: RestContext): Params {
  const app = adminApp(context);
  const handler = text(params['HANDLER']);
  const name = nameIn(params, 'PLACEMENT');
  const gone = context.portal.placements.of(app, name).filter((row) => handler === '' || row.handler === handler);
  context.portal.placements.remove(gone);
  return { count: gone.length * 2 };
}

function list(params: Params, { portal, app }: RestContext): string[] {
  const scope = text(params['SCOPE']);
  const isShown = (name: string): boolean => {
    const own = placementKind(name, portal.crm.records)?.scope ?? null;
    if (scope !== '') return own === scope;
    return !isEmpty(params['FULL']) || own === null || app?.scope.includes(own) === true;
  };
  return placementNames(portal.crm.records).filter(isShown);
}

function nameIn(params: Params, missing: string): string {
  const name = params['PLACEMENT'];
  if (typeof name !== 'string') {
    throw new RestError(400, 'ERROR_ARGUMENT', "The value of an argument 'PLACEMENT' has an invalid type");
  }
  if (name === '') throw argumentMissing(missing);
  return name.toUpperCase();
}

/** A place whose scope the application lacks is not there. */
function kindFor(name: string, { portal, app }: RestContext): PlacementKind | undefined {
  const kind = placementKind(name, portal.crm.records);
  return kind && (kind.scope === null || app?.scope.includes(kind.scope)) ? kind : undefined;
}

function optionsOf(given: unknown, { options: known }: PlacementKind): Params {
  const options = isArray(given) ? given : {};
  const missing = Object.keys(known).find((name) => known[name] && !(name in options));
  if (missing !== undefined) throw argumentMissing(missing);
  return Object.fromEntries(Object.keys(known).map((name) => [name, text(options[name])]));
}

function wordsOf(params: Params, language: string): PlacementRow['words'] {
  const all = isArray(params['LANG_ALL']) ? params['LANG_ALL'] : { [language]: params };
  return Object.fromEntries(
    Object.entries(all).map(([code, words]) => {
      const fields = isArray(words) ? upperKeys(words) : {};
      const [TITLE, DESCRIPTION, GROUP_NAME] = WORDS.map((word) => text(fields[word]).trim());
      return [code, { TITLE: TITLE!, DESCRIPTION: DESCRIPTION!, GROUP_NAME: GROUP_NAME! }];
    }),
  );
}

function rowItem({ id, placement: name, userId, handler, options, words }: PlacementRow): Params {
  return { id, placement: name, userId, handler, options, title: '', description: '', langAll: words };
}
