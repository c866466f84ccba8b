import { computed, shallowRef } from 'vue';
import { createApi, ProblemError, type Api, type Me, type Role } from './api.js';
import { queryClient } from './queries.js';

/** Only for as long as the tab lives, and never sent but as a header. */
const STORED = 'console-key';
const ROLES: readonly Role[] = ['read_only', 'operator', 'owner'];

interface Session {
  me: Me;
  api: Api;
}

const session = shallowRef<Session | null>(null);
/** The key was refused while the console was in use: revoked, or expired. */
export const expired = shallowRef(false);

export const me = computed<Me | null>(() => session.value?.me ?? null);

/** The API with the key that is logged in; throws when nobody is. */
export function api(): Api {
  if (!session.value) throw new ProblemError(401, 'unauthorised', '', null);
  return session.value.api;
}

/** Whether the key allows it. `everyPortal`: only for a key that is not limited to one portal. */
export function may(role: Role, { everyPortal = false } = {}): boolean {
  const known = me.value;
  if (!known) return false;
  return ROLES.indexOf(known.role) >= ROLES.indexOf(role) && !(everyPortal && known.portalId !== null);
}

/** Throws the {@link ProblemError} for which the key is not taken. */
export async function logIn(key: string): Promise<void> {
  const known = createApi(key, () => {
    if (session.value?.api !== known) return;
    logOut();
    expired.value = true;
  });
  const found = await known.me();
  queryClient.clear();
  session.value = { api: known, me: found };
  expired.value = false;
  sessionStorage.setItem(STORED, key);
}

export function logOut(): void {
  sessionStorage.removeItem(STORED);
  session.value = null;
  queryClient.clear();
}

/** Logs in with the key of this tab, if there is one that still holds. */
export async function resume(): Promise<void> {
  const key = sessionStorage.getItem(STORED);
  if (!key) return;
  await logIn(key).catch((error: unknown) => {
    if (!(error instanceof ProblemError) || error.status !== 401) throw error;
    sessionStorage.removeItem(STORED);
    expired.value = true;
  });
}
