#!/bin/sh
# threestudio's documented commands (README at the pinned commit), then its documented mesh export.
# Arguments: dreamfusion, fantasia3d or magic123; the output folder; a seed; a prompt; a photo.
# THREESTUDIO names the checkout.
set -eu
method=$1 out=$2 seed=$3 prompt=$4 photo=$5
runs=$out/../runs
cd "$THREESTUDIO"

train() { # name, configuration, further settings
  name=$1 config=$2
  shift 2
  python launch.py --config "configs/$config.yaml" --train --gpu 0 \
    exp_root_dir="$runs" name="$name" tag=head use_timestamp=false seed="$seed" \
    system.prompt_processor.prompt="$prompt" "$@"
}

case $method in
  dreamfusion)
    last=dreamfusion
    train "$last" dreamfusion-sd
    ;;
  fantasia3d)
    last=texture
    train geometry fantasia3d
    train "$last" fantasia3d-texture system.geometry_convert_from="$runs/geometry/head/ckpts/last.ckpt"
    ;;
  magic123)
    last=refine
    image=$out/../photo_rgba.png
    "$REMOVE_BACKGROUND" "$photo" "$image"
    train coarse magic123-coarse-sd data.image_path="$image"
    train "$last" magic123-refine-sd data.image_path="$image" \
      system.geometry_convert_from="$runs/coarse/head/ckpts/last.ckpt"
    ;;
  *)
    echo "Found the method '$method', expected dreamfusion, fantasia3d or magic123." >&2
    exit 2
    ;;
esac

python launch.py --config "$runs/$last/head/configs/parsed.yaml" --export --gpu 0 \
  resume="$runs/$last/head/ckpts/last.ckpt" system.exporter_type=mesh-exporter system.exporter.fmt=obj-mtl
mkdir -p "$out/neutral"
cp "$runs/$last"/head/save/*export/* "$out/neutral/"
