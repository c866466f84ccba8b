import { Injectable, type OnModuleInit } from '@nestjs/common';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { languageOf } from '../../common/language.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { LinksRepository } from '../../storage/crm/links.repository.js';
import { PortalFeaturesRepository } from '../../storage/crm/portal-features.repository.js';
import { TriggerEventsRepository } from '../../storage/crm/trigger-events.repository.js';
import { unlessGone, type Feature } from '../features/feature.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { isOwnTrigger, triggersOf, type TriggerDefinition } from './trigger-definitions.js';

/** So many links of a portal have triggers of their own, the oldest: which ones never changes under a process. */
const LINKS_AT_MOST = 50;

/** Triggers of a portal's CRM: registers them, one for each button and link that has its own. */
@Injectable()
export class Triggers implements Feature, OnModuleInit {
  readonly name = 'triggers';
  readonly scopes = ['crm'];

  constructor(
    private readonly rest: RestClient,
    private readonly features: PortalFeatures,
    private readonly records: PortalFeaturesRepository,
    private readonly links: LinksRepository,
    private readonly events: TriggerEventsRepository,
  ) {}

  onModuleInit(): void {
    this.features.register(this);
  }

  async wish({ id, language }: Pick<PortalRecord, 'id' | 'language'>): Promise<TriggerDefinition[]> {
    const record = (await this.records.list(id)).find(({ feature }) => feature === this.name);
    const links = await this.links.lasting(id, LINKS_AT_MOST);
    return triggersOf({ buttons: record?.settings.buttons ?? [], links }, languageOf(language));
  }

  /** What has another name there is renamed: add is an upsert. */
  async register(portal: PortalRecord): Promise<void> {
    const known = await this.registered(portal);
    const wanted = await this.wish(portal);
    for (const { code, name } of wanted) {
      if (known.get(code) === name) continue;
      await this.rest.call(portal.id, 'crm.automation.trigger.add', { CODE: code, NAME: name });
    }
    for (const code of known.keys()) {
      if (!wanted.some((trigger) => trigger.code === code)) await this.delete(portal, code);
    }
  }

  async withdraw(portal: PortalRecord): Promise<void> {
    await this.events.forget(portal.id);
    for (const code of (await this.registered(portal)).keys()) await this.delete(portal, code);
  }

  /** Names of ours by their codes. */
  private async registered(portal: PortalRecord): Promise<Map<string, string>> {
    const { result } = await this.rest.call<unknown>(portal.id, 'crm.automation.trigger.list');
    const named = elementsOf(result)
      .map(fieldsOf)
      .map((row): [string, string] => [scalar(row?.['CODE']) ?? '', scalar(row?.['NAME']) ?? '']);
    return new Map(named.filter(([code]) => isOwnTrigger(code)));
  }

  /** Refusals of these methods have no code (crm/lib/automation/rest/proxy.php). */
  private delete(portal: PortalRecord, code: string): Promise<void> {
    const deletion = this.rest.call(portal.id, 'crm.automation.trigger.delete', { CODE: code });
    return unlessGone(deletion, ({ detail }) => /^Trigger not found/i.test(detail));
  }
}
