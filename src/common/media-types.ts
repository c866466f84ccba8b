import { extname } from 'node:path';
import { Mime } from 'mime';
import otherTypes from 'mime/types/other.js';
import standardTypes from 'mime/types/standard.js';

/** Of several extensions of a type the one that people know; types that phones send though no registry has them. */
const FAMILIAR = {
  'audio/aac': ['aac'],
  'audio/flac': ['flac'],
  'audio/m4a': ['m4a'],
  'audio/mpeg': ['mp3'],
  'audio/ogg': ['ogg'],
  'video/quicktime': ['mov'],
};
/** What these extensions mean stays as the registry has it. */
const types = new Mime(standardTypes, otherTypes);
const extensions = new Mime(standardTypes, otherTypes).define(FAMILIAR, true);

/** The media type that the extension of a file name stands for; undefined: there is none, or nobody registered it. */
export function mediaTypeOf(fileName: string): string | undefined {
  // The library takes a name without a dot for an extension.
  return types.getType(extname(fileName)) ?? undefined;
}

/** The usual extension of a media type, without the dot; undefined for a type that nobody registered. */
export function extensionOf(mediaType: string): string | undefined {
  return extensions.getExtension(mediaType) ?? undefined;
}
