import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../../common/problem.js';

/** What a key of the admin API allows, from least to most; each allows what the ones before it do (table `access_keys`). */
export const ROLES = ['read_only', 'operator', 'owner'] as const;
export type Role = (typeof ROLES)[number];

/** Who calls the admin API, as the key says. */
export interface Caller {
  /** Of the stored key; none: the key of ADMIN_API_KEY. */
  keyId?: bigint;
  /** What the key is called; several may be called the same. */
  name: string;
  role: Role;
  /** Sees and changes only this portal, its bots, chats and messages; null: every portal. */
  portalId: bigint | null;
}

/** What a route asks of its caller. */
export interface Requirement {
  role: Role;
  /** Only for callers who are not limited to one portal. */
  everyPortal: boolean;
}

/** The caller as records name them, beyond doubt: `admin` is the key of ADMIN_API_KEY, `Anna#3` the stored key 3. */
export function signatureOf({ name, keyId }: Caller): string {
  return keyId === undefined ? name : `${name}#${keyId}`;
}

const REQUIREMENT = Symbol('requirement');

/**
 * What the route asks of its caller. Without it a GET asks for `read_only` and everything else for `owner`: what was
 * forgotten is closed.
 */
export const Requires = (role: Role, { everyPortal = false }: { everyPortal?: boolean } = {}) =>
  SetMetadata(REQUIREMENT, { role, everyPortal } satisfies Requirement);

/** The requirement of the route about to be run. */
export function requirementOf(context: ExecutionContext): Requirement {
  const { method } = context.switchToHttp().getRequest<FastifyRequest>();
  const reading = method === 'GET' || method === 'HEAD';
  return (
    (Reflect.getMetadata(REQUIREMENT, context.getHandler()) as Requirement | undefined) ??
    (Reflect.getMetadata(REQUIREMENT, context.getClass()) as Requirement | undefined) ?? {
      role: reading ? 'read_only' : 'owner',
      everyPortal: false,
    }
  );
}

/** Throws a 403 problem unless the caller fulfils the requirement. */
export function assertAllowed(caller: Caller, { role, everyPortal }: Requirement): void {
  if (ROLES.indexOf(caller.role) < ROLES.indexOf(role)) {
    throw new Problem(403, 'role_too_low', `This asks for the role ${role}; the key has ${caller.role}.`, {
      required: role,
      role: caller.role,
    });
  }
  if (everyPortal && caller.portalId !== null) {
    throw new Problem(403, 'limited_to_portal', `The key is limited to portal ${caller.portalId}.`, {
      portalId: caller.portalId.toString(),
    });
  }
}

/** Whether something of this portal (null: of none) is there for the caller at all. */
export function canAccess({ portalId }: Caller, subject: bigint | null): boolean {
  return portalId === null || portalId === subject;
}

/**
 * The portal to which a list is to be narrowed: the one asked for, or the caller's own. Asking for another portal than
 * one's own finds nothing, so it is a 404 problem.
 */
export function portalFor(caller: Caller, asked: bigint | undefined): bigint | undefined {
  if (asked !== undefined && !canAccess(caller, asked)) {
    throw new Problem(404, 'not_found', `No portal has the id ${asked}.`);
  }
  return asked ?? caller.portalId ?? undefined;
}

type WithCaller = FastifyRequest & { caller?: Caller };

/** The guard's only way to hand the caller on: with the request, never on a provider. */
export function setCaller(request: FastifyRequest, caller: Caller): void {
  (request as WithCaller).caller = caller;
}

export function callerOf(request: FastifyRequest): Caller {
  const { caller } = request as WithCaller;
  if (!caller) throw new Error('The route is not behind the guard of the admin API.');
  return caller;
}

/** Parameter of a route: who calls it. */
export const CalledBy = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
