from noctule.cli import main

main()
