import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import type { Language } from '../../common/language.js';
import { FEATURES, type FeatureName, type FeatureState } from '../../storage/crm/portal-features.repository.js';
import { FEATURE_NAMES } from './feature.words.js';
import type { PortalFeatures, ShownFeature } from './portal-features.service.js';

const STATES = ['ready', 'off', 'no_scope', 'no_plan', 'no_rights', 'no_address', 'failed'] as const;

/** Whether the portal is to have it. */
export class FeatureBody {
  @ApiProperty({ type: Boolean, example: true })
  @IsBoolean({ message: 'wanted must be true or false' })
  wanted: boolean;
}

/** Something that a portal may have beside the connector. */
export class FeatureItem {
  @ApiProperty({ enum: FEATURES })
  feature: FeatureName;

  /** What it is called. */
  name: string;
  wanted: boolean;

  /** Null: nobody has chosen it yet, or nobody has looked. */
  @ApiProperty({ enum: STATES, nullable: true })
  state: FeatureState | null;

  /** What there is, or what is missing and who can change it, in one sentence; null: nobody wants it. */
  @ApiProperty({ type: String, nullable: true })
  says: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  checkedAt: Date | null;
}

export class FeatureList {
  @ApiProperty({ type: [FeatureItem] })
  items: FeatureItem[];
}

export function featureItem(features: PortalFeatures, shown: ShownFeature, language: Language): FeatureItem {
  const { feature, wanted, state, checkedAt } = shown;
  const says = features.sentence(shown, language);
  return { feature, name: FEATURE_NAMES[feature][language], wanted, state, says, checkedAt };
}
