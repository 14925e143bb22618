#!/bin/sh
# HumanNorm's script/run_generation_head_only.sh and script/run_export_mesh.sh (at the pinned commit), with the
# prompt and the folders as arguments: the output folder; a seed; a prompt. HUMANNORM names the checkout.
set -eu
out=$1 seed=$2 prompt=$3
runs=$out/../runs
cd "$HUMANNORM"

train() { # name, configuration, further settings
  name=$1 config=$2
  shift 2
  python launch.py --config "configs/$config.yaml" --train \
    exp_root_dir="$runs" name="$name" tag=head use_timestamp=false seed="$seed" \
    system.prompt_processor.human_part_prompt=true "$@"
}

train stage1-geometry humannorm-geometry-head \
  data.sampling_type=head_only \
  system.prompt_processor.prompt="$prompt, black background, normal map" \
  system.prompt_processor_add.prompt="$prompt, black background, depth map" \
  system.geometry.shape_init="mesh:./load/shapes/head_only.obj"
geometry=$runs/stage1-geometry/head/ckpts/last.ckpt
train stage2-coarse-texture humannorm-texture-coarse \
  system.geometry_convert_from="$geometry" system.geometry.isosurface_resolution=256 \
  data.sampling_type=head_only data.test_save_path="$runs/rgb_cache" \
  system.prompt_processor.prompt="$prompt"
train stage3-fine-texture humannorm-texture-fine \
  system.geometry_convert_from="$geometry" system.geometry.isosurface_resolution=256 \
  data.dataroot="$runs/rgb_cache" resume="$runs/stage2-coarse-texture/head/ckpts/last.ckpt" \
  system.prompt_processor.prompt="$prompt"

last=$runs/stage3-fine-texture/head
python launch.py --config "$last/configs/parsed.yaml" --export --gpu 0 \
  resume="$last/ckpts/last.ckpt" system.exporter_type=mesh-exporter system.exporter.fmt=obj-mtl
mkdir -p "$out/neutral"
cp "$last"/save/*export/* "$out/neutral/"
