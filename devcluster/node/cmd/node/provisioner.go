package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// folderProvisioner makes one folder below root for each claim. The volumes are of type "local" because, unlike
// hostPath, those honour a pod's fsGroup.
type folderProvisioner struct{ root string }

func (p *folderProvisioner) Provision(
	_ context.Context, options controller.ProvisionOptions,
) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if options.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf("claim %s/%s has no selected node: its StorageClass must bind with WaitForFirstConsumer", claim.Namespace, claim.Name)
	}
	folder := filepath.Join(p.root, options.PVName)
	if err := os.Mkdir(folder, 0o777); err != nil && !os.IsExist(err) {
		return nil, controller.ProvisioningFinished, err
	}
	// Mkdir is subject to the umask, and pods write as any user.
	if err := os.Chmod(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: folder}},
			NodeAffinity:                  onNode(options.SelectedNodeName),
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

func (p *folderProvisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	if volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != p.root {
		return fmt.Errorf("volume %s is not a folder of %s", volume.Name, p.root)
	}
	return os.RemoveAll(volume.Spec.Local.Path)
}

// onNode relies on the kubelet being started with its node's name as host name.
func onNode(name string) *v1.VolumeNodeAffinity {
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchExpressions: []v1.NodeSelectorRequirement{{
			Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{name},
		}},
	}}}}
}

func runVolumeProvisioner() int {
	kubeconfig := flag.String("kubeconfig", "", "file that says how to reach the API server")
	root := flag.String("root", "", "folder that holds one folder for each volume")
	name := flag.String("name", "finetune.dev/folder", "the StorageClass's provisioner")
	address := flag.String("metrics-address", "127.0.0.1", "address to serve metrics on")
	port := flag.Int("metrics-port", 10258, "port to serve metrics on")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	controller.NewProvisionController(
		ctx, kubernetes.NewForConfigOrDie(config), *name, &folderProvisioner{root: *root},
		controller.LeaderElection(false), controller.MetricsAddress(*address), controller.MetricsPort(int32(*port)),
	).Run(ctx)
	return 0
}
