import { accessDenied, adminApp, checkCallback, isCode } from './application-context.js';
import { isArray, isEmpty, text, upperKeys, type Params } from './php-encoding.js';
import { RestError } from './rest-error.js';
import type { RestContext, RestMethod, RestMethods } from './rest-method.js';
import { robotKey, type Robot } from './robots.js';

/** bizproc.robot.*, bizproc.activity.* and what ends them (bizproc/lib/restservice.php). */
export const ROBOT_METHODS: RestMethods = {
  ...methodsOf('robot', true),
  ...methodsOf('activity', false),
  'bizproc.event.send': {
    scopes: ['bizproc'],
    run: ({ EVENT_TOKEN, RETURN_VALUES, LOG_MESSAGE }, { portal }) => {
      const run = portal.robots.runOf(EVENT_TOKEN);
      if (run === null) throw accessDenied();
      portal.robots.finish(run, RETURN_VALUES, text(LOG_MESSAGE));
      return true;
    },
  },
  'bizproc.activity.log': {
    scopes: ['bizproc'],
    run: ({ EVENT_TOKEN, LOG_MESSAGE }, { portal }) => {
      const run = portal.robots.runOf(EVENT_TOKEN);
      if (run === null) throw accessDenied();
      if (isEmpty(LOG_MESSAGE)) throw new RestError(400, 'ERROR_EMPTY_LOG_MESSAGE', 'Empty log message!');
      run.log.push(text(LOG_MESSAGE));
      return true;
    },
  },
};

function methodsOf(kind: 'robot' | 'activity', isRobot: boolean): RestMethods {
  const onPlan =
    (run: RestMethod['run']): RestMethod['run'] =>
    (params, context) => {
      if (!context.portal.robots.plan[isRobot ? 'robots' : 'activities'])
        throw new RestError(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');
      return run(params, context);
    };
  const method = (run: RestMethod['run']): RestMethod => ({ scopes: ['bizproc'], run: onPlan(run) });
  return {
    [`bizproc.${kind}.add`]: method((params, context) => add(params, context, isRobot)),
    [`bizproc.${kind}.update`]: method((params, context) => update(params, context, isRobot)),
    [`bizproc.${kind}.delete`]: method((params, context) => {
      const found = find(params, context, isRobot);
      context.portal.robots.all.delete(robotKey(found.app, found.code));
      return true;
    }),
    [`bizproc.${kind}.list`]: method((_params, context) => {
      const app = adminApp(context);
      return [...context.portal.robots.all.values()]
        .filter((robot) => robot.app === app && robot.isRobot === isRobot)
        .map(({ code }) => code);
    }),
  };
}

function add(params: Params, context: RestContext, isRobot: boolean): true {
  const app = adminApp(context);
  const { robots } = context.portal;
  if (isEmpty(params)) throw invalid('Empty data!');
  const code = checkCode(params['CODE']);
  checkCallback(text(params['HANDLER']));
  if (isEmpty(params['NAME'])) throw invalid('Empty activity NAME!');
  const properties = propertiesOf(params['PROPERTIES']);
  checkDocumentType(params['DOCUMENT_TYPE']);
  const returnProperties = propertiesOf(params['RETURN_PROPERTIES']);
  checkFilter(params['FILTER']);
  if (robots.all.has(robotKey(app, code)))
    throw new RestError(400, 'ERROR_ACTIVITY_ALREADY_INSTALLED', 'Activity or Robot already installed!');
  robots.all.set(robotKey(app, code), {
    app,
    code,
    isRobot,
    handler: text(params['HANDLER']),
    name: params['NAME'],
    description: params['DESCRIPTION'] ?? null,
    authUserId: Number(text(params['AUTH_USER_ID'])) || 0,
    useSubscription: text(params['USE_SUBSCRIPTION']),
    properties: properties ?? {},
    returnProperties: returnProperties ?? {},
    filter: params['FILTER'] ?? null,
  });
  return true;
}

function update(params: Params, context: RestContext, isRobot: boolean): true {
  const found = find(params, context, isRobot);
  const fields = isArray(params['FIELDS']) ? upperKeys(params['FIELDS']) : {};
  const changed: Partial<Robot> = {};
  if (isEmpty(fields)) throw invalid('No fields to update');
  if (fields['HANDLER'] !== undefined) {
    checkCallback(text(fields['HANDLER']));
    changed.handler = text(fields['HANDLER']);
  }
  if (fields['AUTH_USER_ID'] !== undefined) changed.authUserId = Number(text(fields['AUTH_USER_ID']));
  if (fields['USE_SUBSCRIPTION'] !== undefined) changed.useSubscription = text(fields['USE_SUBSCRIPTION']);
  if (!isEmpty(fields['NAME'])) changed.name = fields['NAME'];
  if (fields['DESCRIPTION'] !== undefined) changed.description = fields['DESCRIPTION'];
  const properties = propertiesOf(fields['PROPERTIES']);
  if (properties) changed.properties = properties;
  const returnProperties = propertiesOf(fields['RETURN_PROPERTIES']);
  if (returnProperties) changed.returnProperties = returnProperties;
  if (!isEmpty(fields['DOCUMENT_TYPE'])) checkDocumentType(fields['DOCUMENT_TYPE']);
  if (fields['FILTER'] !== undefined) {
    if (!isEmpty(fields['FILTER'])) checkFilter(fields['FILTER']);
    changed.filter = isEmpty(fields['FILTER']) ? null : fields['FILTER'];
  }
  if (isEmpty(changed)) throw invalid('No fields to update');
  Object.assign(found, changed);
  return true;
}

function find(params: Params, context: RestContext, isRobot: boolean): Robot {
  const app = adminApp(context);
  const found = context.portal.robots.all.get(robotKey(app, checkCode(params['CODE'])));
  if (found?.isRobot !== isRobot) throw new RestError(400, 'ERROR_ACTIVITY_NOT_FOUND', 'Activity or Robot not found!');
  return found;
}

function checkCode(code: unknown): string {
  if (isEmpty(code)) throw invalid('Empty activity code!');
  if (!isCode(code)) throw invalid('Wrong activity code!');
  return code;
}

/** Undefined: not given. Keys keep their case, names of the fields inside do not count with theirs. */
function propertiesOf(given: unknown): Record<string, Params> | undefined {
  if (given === undefined) return undefined;
  if (!isArray(given)) throw invalid('Wrong properties array!');
  return Object.fromEntries(
    Object.entries(given).map(([key, property]) => {
      const fields = isArray(property) ? upperKeys(property) : {};
      if (!/^[a-z][a-z0-9_]*$/i.test(key)) throw invalid(`Wrong property key (${key})!`);
      if (isEmpty(fields['NAME'])) throw invalid(`Empty property NAME (${key})!`);
      return [key, fields];
    }),
  );
}

function checkDocumentType(type: unknown): void {
  if (type === undefined) return;
  if (!isArray(type) || Object.values(type).filter((part) => !isEmpty(part)).length !== 3)
    throw invalid('Wrong activity DOCUMENT_TYPE!');
}

function checkFilter(filter: unknown): void {
  if (filter !== undefined && !isArray(filter)) throw invalid('Wrong activity FILTER!');
}

function invalid(description: string): RestError {
  return new RestError(400, 'ERROR_ACTIVITY_VALIDATION_FAILURE', description);
}
