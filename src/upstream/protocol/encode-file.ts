import type { UploadedFile } from '../../conversation/turn.ts';
import { TIMEZONE_OFFSET_MIN } from './encode-turn.ts';
import { useCaseOf } from './file-types.ts';

/** The body of the call that announces a file. */
export function encodeRegistration(file: Pick<UploadedFile, 'name' | 'sizeBytes' | 'mimeType'>): string {
  return JSON.stringify({
    file_name: file.name,
    file_size: file.sizeBytes,
    timezone_offset_min: TIMEZONE_OFFSET_MIN,
    use_case: useCaseOf(file.mimeType),
    reset_rate_limits: false,
  });
}
