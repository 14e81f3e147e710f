"""What `--help` shows of each verb: lines to start from, the simplest first."""

EXAMPLES = {
    "quickstart": ("albert-tf quickstart --out first",),
    "vocab": (
        "albert-tf vocab --texts books --out vocabulary.model --size 16000",
        "albert-tf vocab --texts de.txt en.txt.gz --out both.model --size 8000",
    ),
    "extend": (
        "albert-tf extend --model books_small --texts reports.txt --pieces 500 --out extended",
    ),
    "prepare": (
        "albert-tf prepare --texts books --vocabulary vocabulary.model --out records",
        "albert-tf prepare --texts books --vocabulary vocabulary.model --out records "
        "--sequence-length 512 --runner DirectRunner",
    ),
    "pretrain": (
        "albert-tf pretrain --records records --config base --out pretrained",
        "albert-tf pretrain --records records --from books_small --out further --steps 2000 "
        "--warmup-steps 100",
        "albert-tf pretrain --records records --config base --out pretrained --strategy mirrored "
        "--batch-size 4096 --micro-batches 16",
    ),
    "finetune": (
        "albert-tf finetune --train train.tsv --dev dev.tsv --from books_small --out run",
        "albert-tf finetune --recipe sst-2 --data GLUE --from albert-base-v2 --out run --seeds 5",
        "albert-tf finetune --task squad2 --data SQUAD --from pretrained --out run --dry-run",
    ),
    "evaluate": (
        "albert-tf evaluate --run run --data test.tsv",
        "albert-tf evaluate --run run --data GLUE --split dev --out answers",
    ),
    "predict": (
        'albert-tf predict --run run --text "A film to remember."',
        "albert-tf predict --run run --file new.tsv --column review --out answers.tsv",
        'albert-tf predict --run answers --question "Who wrote it?" --context "Jane wrote it."',
        'albert-tf predict --run model.tflite --text "A film to remember."',
    ),
    "search": ('albert-tf search --model books_small --file titles.txt --query "how plants grow"',),
    "convert": (
        "albert-tf convert --checkpoint albert_base/model.ckpt-best --format hf --out converted",
        "albert-tf convert --checkpoint run --format keras_hub --out converted",
    ),
    "export": (
        "albert-tf export --run run --out served/reviews --verify",
        "albert-tf export --run run --out reviews.tflite --format tflite --verify",
    ),
    "serve": (
        "albert-tf serve --model reviews=served/reviews",
        "albert-tf serve --model-config-file models.config --enable-batching --port 8500",
    ),
    "benchmark": ("albert-tf benchmark --config base",),
}
