import { Body, Controller, Get, Headers, Param, Patch, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { languageOf } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import { SETTINGS_API } from '../../connector/settings/settings-api.controller.js';
import { OpenedBy, personOf, SettingsGuard } from '../../connector/settings/settings.guard.js';
import type { SettingsSession } from '../../connector/settings/settings-sessions.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import { FEATURES, type FeatureName } from '../../storage/crm/portal-features.repository.js';
import { FeatureBody, featureItem, FeatureItem, FeatureList, settingsOf } from './features.dto.js';
import { PortalFeatures } from './portal-features.service.js';

/** What the settings page does with the portal's robots, senders and triggers. */
@ApiTags('Bitrix24')
@ApiBearerAuth('settings page')
@UseGuards(SettingsGuard)
@Controller(`${SETTINGS_API.slice(1)}/features`)
export class SettingsFeaturesController {
  constructor(
    private readonly features: PortalFeatures,
    private readonly entries: AuditRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'What the portal may have beside the connector, and what it lacks for it' })
  async list(
    @OpenedBy() { portalId }: SettingsSession,
    @Headers('accept-language') reader: string | undefined,
  ): Promise<FeatureList> {
    const language = languageOf(reader);
    const shown = await this.features.show(portalId);
    return { items: shown.map((feature) => featureItem(this.features, feature, language)) };
  }

  @Patch(':feature')
  @ApiParam({ name: 'feature', enum: FEATURES })
  @ApiOperation({ summary: 'Have it, or not; answers what came of it' })
  async choose(
    @OpenedBy() session: SettingsSession,
    @Param('feature') name: string,
    @Body() body: FeatureBody,
    @Headers('accept-language') reader: string | undefined,
  ): Promise<FeatureItem> {
    const feature = knownFeature(name);
    const { portalId } = session;
    const shown = await this.features.choose(portalId, feature, body.wanted, settingsOf(feature, body));
    await this.entries.record({
      actor: personOf(session),
      action: 'portal.feature',
      subject: `portal:${portalId}`,
      portalId,
      detail: { feature, ...body },
    });
    return featureItem(this.features, shown, languageOf(reader));
  }
}

/** Throws {@link Problem} 404. */
export function knownFeature(name: string): FeatureName {
  const known = FEATURES.find((feature) => feature === name);
  if (known) return known;
  throw new Problem(404, 'not_found', `There is no feature ${name}.`);
}
