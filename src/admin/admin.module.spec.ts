import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, MODULE_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { expect, it } from 'vitest';
import { AdminModule } from './admin.module.js';
import { actionOf } from './access/audit.interceptor.js';

/** Every route of the module's controllers under /admin, hidden from the documents or not. */
function routes() {
  const controllers = Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, AdminModule) as (new () => object)[];
  return controllers.flatMap((controller) => {
    const base = Reflect.getMetadata(PATH_METADATA, controller) as string;
    if (!base.startsWith('admin/')) return [];
    return Object.values(Object.getOwnPropertyDescriptors(controller.prototype)).flatMap(({ value }) => {
      const method = typeof value === 'function' ? Reflect.getMetadata(METHOD_METADATA, value) : undefined;
      if (method === undefined) return [];
      const handler = value as () => unknown;
      const path = `/${base}/${Reflect.getMetadata(PATH_METADATA, handler)}`;
      return { name: `${RequestMethod[method as number]} ${path}`, method: method as number, handler };
    });
  });
}

/** They need a body, and keep nothing. */
const PREVIEWS = ['POST /admin/answers/preview', 'POST /admin/broadcasts/preview'];

it('puts every change on record', () => {
  const all = routes();
  expect(all.length).toBeGreaterThan(20);
  const changes = all
    .filter(({ method }) => method !== RequestMethod.GET)
    .filter(({ name }) => !PREVIEWS.includes(name));
  expect(
    changes.filter(({ handler }) => !actionOf(handler)).map(({ name }) => name),
    'need @Audited',
  ).toEqual([]);
});

it('hides no route from /docs-json, from which the test of roles takes them', () => {
  const HIDDEN = 'swagger/apiExcludeEndpoint';
  expect(
    routes()
      .filter(({ handler }) => Reflect.hasMetadata(HIDDEN, handler))
      .map(({ name }) => name),
  ).toEqual([]);
});
