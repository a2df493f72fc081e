/** The parts of the CSI messages that the driver reads (csi.proto, version 1; 64-bit numbers arrive as text). */

export interface VolumeCapability {
  access_mode?: { mode: string };
  /** `mount` or `block`. */
  access_type?: string;
}

export interface CreateVolumeRequest {
  name: string;
  capacity_range?: { required_bytes: string; limit_bytes: string } | null;
  volume_capabilities: VolumeCapability[];
  parameters: Record<string, string>;
  volume_content_source?: {
    snapshot?: { snapshot_id: string };
    volume?: { volume_id: string };
  } | null;
}

export interface VolumeRequest {
  volume_id: string;
}

export interface ValidateRequest extends VolumeRequest {
  volume_capabilities: VolumeCapability[];
}

export interface CreateSnapshotRequest {
  name: string;
  source_volume_id: string;
}

export interface SnapshotRequest {
  snapshot_id: string;
}

export interface PublishRequest extends VolumeRequest {
  target_path: string;
  readonly: boolean;
  volume_capability?: VolumeCapability | null;
}

export interface UnpublishRequest extends VolumeRequest {
  target_path: string;
}

export interface StatsRequest extends VolumeRequest {
  volume_path: string;
}
