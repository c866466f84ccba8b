import { Injectable } from '@nestjs/common';
import { elementsOf, fieldsOf, word } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { PLACEMENTS_PATH } from './portal-frames.service.js';

/** Said of a place that went after the portal had listed it, such as that of a smart process. */
const GONE = 'ERROR_PLACEMENT_NOT_FOUND';

/** A frame of ours in one place of the portal. */
export interface PlacementWish {
  /** Such as `CRM_DEAL_DETAIL_TAB`. */
  placement: string;
  /** Last part of the frame's address. */
  kind: string;
  titles: { en: string; ru: string };
  options?: Record<string, string>;
}

interface Bound {
  placement: string;
  handler: string;
}

/** The frames of ours that a portal shows in its own pages (scope `placement`). Every method throws UpstreamError. */
@Injectable()
export class PlacementBindings {
  constructor(
    private readonly rest: RestClient,
    private readonly environment: Environment,
  ) {}

  /** Names of the places that the portal offers the application. */
  async offered(portal: PortalRecord): Promise<string[]> {
    const { result } = await this.rest.call<unknown>(portal.id, 'placement.list');
    return elementsOf(result).flatMap((name) => word(name)?.toUpperCase() ?? []);
  }

  /**
   * Binds what is missing and unbinds what is not wished, among the places that `isOurs` names; with `changed` all of it
   * anew, as a title cannot be changed otherwise. Resolves with the places that the portal refuses, and why, where it
   * takes others; throws where it refuses all.
   */
  async reconcile(
    portal: PortalRecord,
    wishes: PlacementWish[],
    isOurs: (placement: string) => boolean,
    changed: boolean,
  ): Promise<string> {
    const wished = wishes.map((wish) => ({ ...wish, handler: this.address(wish.kind) }));
    const kept = (row: Bound): boolean =>
      !changed && wished.some(({ placement, handler }) => placement === row.placement && handler === row.handler);
    const bound = (await this.bound(portal)).filter(({ placement }) => isOurs(placement));
    for (const row of bound) {
      if (!kept(row))
        await this.rest.call(portal.id, 'placement.unbind', { PLACEMENT: row.placement, HANDLER: row.handler });
    }
    const refusals: { placement: string; refusal: UpstreamError }[] = [];
    for (const wish of wished) {
      if (bound.some((row) => kept(row) && row.placement === wish.placement)) continue;
      const refusal = await this.bind(portal, wish);
      if (refusal) refusals.push({ placement: wish.placement, refusal });
    }
    if (refusals.length > 0 && refusals.length === wished.length) throw refusals[0]!.refusal;
    return refusals
      .filter(({ refusal }) => refusal.code !== GONE)
      .map(({ placement, refusal }) => `${placement} (${refusal.code}: ${refusal.detail})`)
      .join(', ');
  }

  /** Where the portal posts the form that opens the frame. */
  address(kind: string): string {
    return `${this.environment.publicUrl ?? ''}${PLACEMENTS_PATH}/${kind}`;
  }

  /** Another process may have been faster: bound is bound. Null: it is; else why the portal refuses this place. */
  private async bind(
    portal: PortalRecord,
    { placement, handler, titles, options }: PlacementWish & Bound,
  ): Promise<UpstreamError | null> {
    const words = Object.fromEntries(Object.entries(titles).map(([language, TITLE]) => [language, { TITLE }]));
    const params = { PLACEMENT: placement, HANDLER: handler, TITLE: titles.en, LANG_ALL: words };
    try {
      await this.rest.call(portal.id, 'placement.bind', { ...params, ...(options && { OPTIONS: options }) });
    } catch (error) {
      // rest/lib/placement.php, checkUniq: no code of its own.
      if (!(error instanceof UpstreamError) || error.kind !== 'refused') throw error;
      return /already binded/i.test(error.detail) ? null : error;
    }
    return null;
  }

  /** Those whose address is one of ours, wherever we were known before. */
  private async bound(portal: PortalRecord): Promise<Bound[]> {
    const { result } = await this.rest.call<unknown>(portal.id, 'placement.get');
    return elementsOf(result).flatMap((row) => {
      const fields = fieldsOf(row) ?? {};
      const [placement, handler] = [word(fields.placement)?.toUpperCase(), word(fields.handler)];
      return placement && handler?.includes(`${PLACEMENTS_PATH}/`) ? [{ placement, handler }] : [];
    });
  }
}
