import type { ApiMethods, Opts } from '@grammyjs/types';
import type { Upload } from './request-body.js';

type Methods = ApiMethods<Upload>;

/**
 * The methods of the Bot API. Each resolves with Telegram's result or throws an UpstreamError that holds no token;
 * nothing is retried.
 */
export type BotCalls = {
  [Method in keyof Methods]: Parameters<Methods[Method]>[0] extends undefined
    ? (params?: undefined, signal?: AbortSignal) => Promise<ReturnType<Methods[Method]>>
    : (params: Opts<Upload>[Method], signal?: AbortSignal) => Promise<ReturnType<Methods[Method]>>;
};

/** Performs one call: the name of the method, its parameters, and when nobody waits for it any more. */
export type Perform = (method: string, params: object, signal?: AbortSignal) => Promise<unknown>;

export function botCalls(perform: Perform): BotCalls {
  return new Proxy({} as BotCalls, {
    // It may come out of an async function, and is nothing to wait for.
    get: (_target, method) =>
      typeof method === 'string' && method !== 'then'
        ? (params: object | undefined, signal?: AbortSignal) => perform(method, params ?? {}, signal)
        : undefined,
  });
}
