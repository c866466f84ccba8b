import { ApiProperty } from '@nestjs/swagger';
import { applyDecorators } from '@nestjs/common';
import { ArrayMaxSize, ArrayUnique, IsArray, IsOptional, Matches } from 'class-validator';

/** As many as Telegram puts into one album. */
const FILES_AT_MOST = 10;
const FILES = `files must be up to ${FILES_AT_MOST} different ids of files that were uploaded for this conversation`;

/** A file that waits for its message. */
export class MessageFile {
  @ApiProperty({ type: String, pattern: '^\\d+$' })
  id: string;
  name: string;
  mime: string | null;

  /** Bytes. */
  size: number;
}

/** Property of a body: `id`s of uploaded files, in the order in which they are sent. */
export function IsMessageFiles(): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ type: [String], required: false, maxItems: FILES_AT_MOST, description: 'Ids, in their order.' }),
    IsOptional(),
    IsArray({ message: FILES }),
    ArrayMaxSize(FILES_AT_MOST, { message: FILES }),
    ArrayUnique({ message: FILES }),
    Matches(/^[1-9]\d{0,17}$/, { each: true, message: FILES }),
  );
}

/** Property of a body with {@link IsMessageFiles} `files`: the text, which may be empty beside files. */
export function HasWordsUnlessFiles(message: string): PropertyDecorator {
  return Matches(/\S/, { message, validateIf: ({ files }: { files?: unknown[] }) => !files?.length });
}
