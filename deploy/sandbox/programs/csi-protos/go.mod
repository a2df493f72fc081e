module presslift.local/sandbox/csi-protos

go 1.26

require (
	github.com/container-storage-interface/spec v1.13.0 // indirect
	k8s.io/kubelet v0.35.4 // indirect
)
